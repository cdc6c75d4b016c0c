# 1 "a.c"
# 1 "a.h" 1
extern int a[08 0xg 1e5L 1.f .5 1.5e 1..2 1ull 0x1.8 08.5 09e1 1f 1.fL 0X1Fu 00l 1lu 1uL 1uu 1e+ 1e+5f . 1.e5 L L'a' l"x" LL"y" u8"q" $a @ \\ ` 1.5uL 1.5Lf 078 0x 0b1 1.e .e1 5.5.5 1LL 10LL 0XFFULL '\'' '\\' "\"\\" # ## # 5 "q" %= ~= << <<< >>> =>= ||| - -> >- &&& 1'000'000 ];
typedef int u32;
extern __typeof__(u32[3]) tq;
extern typeof x ( y ) z1;
extern typeof() z2;
extern typeof(  
# 7 "b.h"
u32 *) z3;
extern typeof((x)) z4;
extern char b[2] = "abc";
struct { int a:3 __attribute__((x)), b; } s1 = { .a = { 1, 2 }, }, s2;
extern typeof(int) ta, *tb;
extern int (*pf)(int x), pa;
__GENKSYMS_EXPORT_SYMBOL(a);
__GENKSYMS_EXPORT_SYMBOL(tq);
__GENKSYMS_EXPORT_SYMBOL(z1);
__GENKSYMS_EXPORT_SYMBOL(z2);
__GENKSYMS_EXPORT_SYMBOL(z3);
__GENKSYMS_EXPORT_SYMBOL(z4);
__GENKSYMS_EXPORT_SYMBOL(b);
__GENKSYMS_EXPORT_SYMBOL(s1);
__GENKSYMS_EXPORT_SYMBOL(s2);
__GENKSYMS_EXPORT_SYMBOL(ta);
__GENKSYMS_EXPORT_SYMBOL(tb);
__GENKSYMS_EXPORT_SYMBOL(pf);
__GENKSYMS_EXPORT_SYMBOL(pa);
+;
