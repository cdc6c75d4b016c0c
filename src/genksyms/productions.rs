//! The productions of each grammar, in the notation of [`super::grammar`].
//!
//! Order matters where a grammar has conflicts: of two rules that could both be reduced, the earlier one is.

/// The grammars up to Linux 6.13. Its nine shift/reduce and five reduce/reduce conflicts (P4) are part of it.
pub(super) const P0_TO_P4: &str = r"
unit : decl
     | unit decl
decl : @reset ext = cut
ext : EXTENSION TYPEDEF @typedef simple = 4
    | TYPEDEF @typedef simple = 3
    | simple
    | fundef
    | ASM_PHRASE ';' = 2
    | EXPORT '(' IDENT ')' ';' = export, 5
    | STATIC_ASSERT_PHRASE ';' = 2
    | error ';' = 2
    | error '}' = 2
simple : specs? inits? ';' = simple, 3
inits? : %empty = null
       | inits
inits : init = first
      | inits ',' init = next 2 3, 3
init : dtor asm? attrs ini? = last
asm? : %empty = null
     | ASM_PHRASE
ini? : %empty = null
     | ini
specs? : %empty = nospec
       | specs
specs : spec = spec 1
      | specs spec = spec 2
spec : storage = remove
     | tspec
storage : AUTO
        | REGISTER
        | STATIC
        | EXTERN = extern
        | INLINE = inline
tspec : base
      | qual
      | <P2 P4> TYPEOF '(' param ')'
      | <P2 P4> TYPEOF_PHRASE
      | <P0 P1> TYPEOF '(' specs '*' ')'
      | <P0 P1> TYPEOF '(' specs ')'
      | STRUCT IDENT = ref struct 2, 2
      | UNION IDENT = ref union 2, 2
      | ENUM IDENT = ref enum 2, 2
      | STRUCT IDENT cbody = compound struct 1 2 3, 3
      | UNION IDENT cbody = compound union 1 2 3, 3
      | <P0> ENUM IDENT BRACE_PHRASE = compound enum 1 2 3, 3
      | <P0> ENUM BRACE_PHRASE = 2
      | <P1 P2 P4> ENUM IDENT ebody = compound enum 1 2 3, 3
      | <P1 P2 P4> ENUM ebody = anonymous, 2
      | STRUCT cbody = 2
      | UNION cbody = 2
base : CHAR
     | SHORT
     | INT
     | LONG
     | SIGNED
     | UNSIGNED
     | FLOAT
     | DOUBLE
     | VOID
     | BOOL
     | VA_LIST
     | BUILTIN_INT
     | TYPE = type
ptr : '*' quals? = last
quals? : %empty = null
       | quals
quals : qual
      | quals qual = 2
qual : CONST
     | VOLATILE
     | ATTRIBUTE_PHRASE
     | RESTRICT = remove
dtor : ptr dtor = 2
     | ddtor
ddtor : IDENT = name
      | <P2 P4> TYPE = name
      | ddtor '(' params ')' = 4
      | ddtor '(' error ')' = 4
      | ddtor BRACKET_PHRASE = 2
      | '(' dtor ')' = 3
      | <P0 P1 P2> '(' error ')' = 3
ndtor : ptr ndtor = 2
      | dndtor
dndtor : IDENT
       | TYPE
       | dndtor '(' params ')' = 4
       | dndtor '(' error ')' = 4
       | dndtor BRACKET_PHRASE = 2
       | '(' ndtor ')' = 3
       | '(' error ')' = 3
params : plist? DOTS = 2
       | plist?
       | plist ',' DOTS = 3
plist? : %empty = null
       | plist
plist : param
      | plist ',' param = 3
param : specs ad = last
ad : ptr ad = last
   | dad
dad : %empty = null
    | IDENT = remove
    | TYPE = remove
    | dad '(' params ')' = 4
    | dad '(' error ')' = 4
    | dad BRACKET_PHRASE = 2
    | '(' ad ')' = 3
    | '(' error ')' = 3
fundef : specs? dtor BRACE_PHRASE = function, 3
ini : '=' EXPRESSION_PHRASE = init, 2
cbody : '{' mems? '}' = 3
      | '{' error '}' = 3
mems? : %empty = null
      | mems
mems : mem
     | mems mem = 2
mem : specs? mdtors? ';' = 3
    | error ';' = 2
mdtors? : %empty = null
        | mdtors
mdtors : mdtor
       | mdtors ',' mdtor = 3
mdtor : ndtor attrs = last
      | IDENT bitf = 2
      | bitf
bitf : ':' EXPRESSION_PHRASE = 2
attrs : %empty = null
      | attrs ATTRIBUTE_PHRASE
ebody : <P1 P2 P4> '{' enums '}' = 3
      | <P1 P2 P4> '{' enums ',' '}' = 4
enums : <P1 P2 P4> enumr
      | <P1 P2 P4> enums ',' enumr
enumr : <P1 P2 P4> IDENT = enumerator
      | <P1 P2 P4> IDENT '=' EXPRESSION_PHRASE = value
";

/// The grammar since Linux 6.14; it has no conflict.
pub(super) const P5: &str = r"
unit : decl
     | unit decl
decl : @reset ext = cut
ext : EXTENSION TYPEDEF @typedef simple = 4
    | TYPEDEF @typedef simple = 3
    | simple
    | fundef
    | ASM_PHRASE ';' = 2
    | EXPORT '(' IDENT ')' ';' = export, 5
    | STATIC_ASSERT_PHRASE ';' = 2
    | error ';' = 2
    | error '}' = 2
simple : specs? inits? ';' = simple, -unwanted, 3
inits? : %empty = null
       | inits
inits : init = first, +unwanted
      | inits ',' attrs init = next 2 4, +unwanted, 4
init : dtor asm? attrs ini? = last
asm? : %empty = null
     | ASM_PHRASE
ini? : %empty = null
     | ini
specs? : %empty = nospec
       | specs
specs : attrs spec = spec 2
      | specs spec = spec 2
      | specs ATTRIBUTE_PHRASE = spec 2
spec : storage = remove
     | tspec = +unwanted
     | qual
storage : AUTO
        | REGISTER
        | STATIC
        | EXTERN = extern
        | INLINE = inline
tspec : base
      | TYPEOF '(' param ')'
      | TYPEOF_PHRASE
      | STRUCT attrs IDENT = ref struct 3, 3
      | UNION attrs IDENT = ref union 3, 3
      | ENUM IDENT = ref enum 2, 2
      | STRUCT attrs IDENT cbody = compound struct 1 3 4, 4
      | UNION attrs IDENT cbody = compound union 1 3 4, 4
      | ENUM IDENT ebody = compound enum 1 2 3, 3
      | ENUM ebody = anonymous, 2
      | STRUCT attrs cbody = 3
      | UNION attrs cbody = 3
base : CHAR
     | SHORT
     | INT
     | LONG
     | SIGNED
     | UNSIGNED
     | FLOAT
     | DOUBLE
     | VOID
     | BOOL
     | VA_LIST
     | BUILTIN_INT
     | TYPE = type
ptr : '*' quals? = last
quals? : %empty = null
       | quals
quals : qual
      | ATTRIBUTE_PHRASE
      | quals qual = 2
      | quals ATTRIBUTE_PHRASE = 2
qual : X86_SEG
     | CONST
     | VOLATILE
     | RESTRICT = remove
dtor : ptr dtor = 2
     | ddtor
ddtor : IDENT = name, -unwanted
      | ddtor '(' params ')' = 4
      | ddtor '(' error ')' = 4
      | ddtor BRACKET_PHRASE = 2
      | '(' dtor ')' = 3
ndtor : ptr ndtor = 2
      | dndtor
dndtor : dndtor1
       | dndtor1 '(' params ')' = 4
dndtor1 : IDENT = -unwanted
        | dndtor1 '(' error ')' = 4
        | dndtor1 BRACKET_PHRASE = 2
        | '(' attrs ndtor ')' = 4
        | '(' error ')' = 3
params : plist? DOTS = 2
       | plist?
       | plist ',' DOTS = 3
plist? : %empty = null
       | plist
plist : param = -unwanted
      | plist ',' param = -unwanted, 3
param : specs ad? = last
ad? : %empty = null
    | ad
ad : ptr
   | ptr ad = last
   | dad attrs = -unwanted, 2
dad : dad1
    | dad1 open params ')' = 4
    | open params ')' = 3
dad1 : IDENT = remove
     | dad1 open error ')' = 4
     | dad1 BRACKET_PHRASE = 2
     | open attrs ad ')' = 4
     | open error ')' = 3
     | BRACKET_PHRASE
open : '(' = -unwanted
fundef : specs? dtor BRACE_PHRASE = function, 3
ini : '=' EXPRESSION_PHRASE = init, 2
cbody : '{' mems? '}' = 3
      | '{' error '}' = 3
mems? : %empty = null
      | mems
mems : mem
     | mems mem = 2
mem : specs? mdtors? ';' = -unwanted, 3
    | error ';' = -unwanted, 2
mdtors? : %empty = null
        | mdtors
mdtors : mdtor = +unwanted
       | mdtors ',' mdtor = +unwanted, 3
mdtor : ndtor attrs = last
      | IDENT bitf = 2
      | bitf
bitf : ':' EXPRESSION_PHRASE = 2
attrs : %empty = null
      | attrs ATTRIBUTE_PHRASE = 2
ebody : '{' enums '}' = 3
      | '{' enums ',' '}' = 4
enums : enumr
      | enums ',' enumr
enumr : IDENT = enumerator
      | IDENT '=' EXPRESSION_PHRASE = value
";
