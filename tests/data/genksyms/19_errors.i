# 1 "a.c"
union foo { int a; };
enum a { P, Q };
# 1 "a.h" 1
int f(struct foo *, struct foo *);
extern enum zz *ez;
int attr(int x) __attribute__((x)) { return 0; }
extern int z[R0], broken(int;
union bar { int a; };
int g(struct bar *, struct bar *, const char name[static 4]);
enum { A = 3, B = , C };
extern int y[B], w[C];
extern struct inner { int i; +; } q;
void h(void) { "}" '}' ; { } }
# 1 "b.h" 1
extern __GENKSYMS_EXPORT_SYMBOL(h) x;
# 2 "a.c" 2
__GENKSYMS_EXPORT_SYMBOL(f);
__GENKSYMS_EXPORT_SYMBOL(ez);
enum b { R };
extern int r[R];
__GENKSYMS_EXPORT_SYMBOL(r);
__GENKSYMS_EXPORT_SYMBOL(g);
__GENKSYMS_EXPORT_SYMBOL(nope);
__GENKSYMS_EXPORT_SYMBOL(w);
__GENKSYMS_EXPORT_SYMBOL(C);
__GENKSYMS_EXPORT_SYMBOL(q);
__GENKSYMS_EXPORT_SYMBOL(h);
__GENKSYMS_EXPORT_SYMBOL(h);
__GENKSYMS_EXPORT_SYMBOL(attr);
# no newline at the end