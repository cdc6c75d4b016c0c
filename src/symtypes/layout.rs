//! Definition texts laid out as C, one member or enumerator a line, for people and for line diffs.

use super::{Name, TypeKind, tokens};

/// Lays a definition text out as C source: `struct a { int b ; s#c * d ; }` becomes four lines.
///
/// The result is for reading and comparing by line; it is a function of the tokens alone.
#[must_use]
pub fn c_layout(text: &str) -> String {
    let mut layout = Layout::default();
    for token in tokens(text) {
        layout.token(token);
    }
    layout.end_line();
    layout.out
}

#[derive(Default)]
struct Layout {
    out: String,
    line: String,
    /// One entry per open brace: whether it belongs to an enum, and how many parentheses were open outside.
    braces: Vec<(bool, usize)>,
    parens: usize,
    previous: Previous,
    enum_ahead: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Previous {
    #[default]
    Start,
    /// A keyword, a type or an operator: a parenthesis behind it stands apart.
    Word,
    /// A plain identifier or a closing bracket: a parenthesis behind it is a parameter list.
    Name,
    /// Something that joins with what follows: `(`, `[`, `*`.
    Open,
}

const KEYWORDS: [&str; 26] = [
    "auto",
    "char",
    "const",
    "double",
    "enum",
    "extern",
    "float",
    "int",
    "long",
    "register",
    "restrict",
    "short",
    "signed",
    "static",
    "struct",
    "typedef",
    "union",
    "unsigned",
    "void",
    "volatile",
    "_Bool",
    "__int128",
    "inline",
    "__const",
    "__volatile__",
    "return",
];

impl Layout {
    fn token(&mut self, token: &str) {
        match token {
            "{" => self.open_brace(),
            "}" => self.close_brace(),
            ";" => {
                self.line.push(';');
                if self
                    .braces
                    .last()
                    .is_none_or(|&(_, parens)| parens == self.parens)
                {
                    self.end_line();
                }
            }
            "," => self.comma(),
            _ => self.word(token),
        }
    }

    fn open_brace(&mut self) {
        self.space();
        self.line.push('{');
        self.end_line();
        self.braces.push((self.enum_ahead, self.parens));
        self.enum_ahead = false;
    }

    fn close_brace(&mut self) {
        self.end_line();
        if let Some((_, parens)) = self.braces.pop() {
            self.parens = parens;
        }
        self.put("}", Previous::Name);
    }

    fn comma(&mut self) {
        self.line.push(',');
        self.previous = Previous::Word;
        if self
            .braces
            .last()
            .is_some_and(|&(is_enum, parens)| is_enum && parens == self.parens)
        {
            self.end_line();
        }
    }

    fn word(&mut self, token: &str) {
        match token {
            "(" => {
                if self.previous == Previous::Word {
                    self.space();
                }
                self.parens += 1;
                self.join("(", Previous::Open);
            }
            ")" => {
                self.parens = self.parens.saturating_sub(1);
                self.join(")", Previous::Name);
            }
            "[" => self.join("[", Previous::Open),
            "]" => self.join("]", Previous::Name),
            "*" => self.put("*", Previous::Open),
            "UNKNOWN" => self.put("/* only declared */", Previous::Word),
            _ => self.name(token),
        }
    }

    fn name(&mut self, token: &str) {
        if let Some(name) = Name::of_token(token) {
            let spelled = match name.kind.keyword() {
                Some(keyword) => format!("{keyword} {}", name.name),
                None => name.name.to_owned(),
            };
            let after = if name.kind == TypeKind::EnumConstant {
                Previous::Name
            } else {
                Previous::Word
            };
            self.put(&spelled, after);
            return;
        }
        if token == "enum" {
            self.enum_ahead = true;
        } else if token == "struct" || token == "union" {
            self.enum_ahead = false;
        }
        let identifier = token
            .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == '"');
        let after = if identifier && !KEYWORDS.contains(&token) {
            Previous::Name
        } else {
            Previous::Word
        };
        self.put(token, after);
    }

    fn put(&mut self, token: &str, after: Previous) {
        if self.previous != Previous::Open {
            self.space();
        }
        self.join(token, after);
    }

    fn join(&mut self, token: &str, after: Previous) {
        if self.line.is_empty() {
            self.indent();
        }
        self.line.push_str(token);
        self.previous = after;
    }

    fn space(&mut self) {
        if self.line.is_empty() {
            self.indent();
        } else if !self.line.ends_with(['\t', ' ']) {
            self.line.push(' ');
        }
    }

    fn indent(&mut self) {
        self.line
            .extend(std::iter::repeat_n('\t', self.braces.len()));
    }

    fn end_line(&mut self) {
        if !self.line.trim().is_empty() {
            self.out.push_str(self.line.trim_end());
            self.out.push('\n');
        }
        self.line.clear();
        self.previous = Previous::Start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Structs, function pointers, bit fields, arrays and nested anonymous types look as a kernel developer writes them.
    #[test]
    fn struct_is_laid_out_as_c() {
        let text = "struct dev { s#list_head list ; int ( * open ) ( s#dev * , t#u32 ) ; unsigned int on : 1 ; \
                    union { char name [ 16 ] ; const char * const * alias ; } ; }";
        assert_eq!(
            c_layout(text),
            "struct dev {\n\tstruct list_head list;\n\tint (*open)(struct dev *, u32);\n\tunsigned int on : 1;\n\
             \tunion {\n\t\tchar name[16];\n\t\tconst char *const *alias;\n\t};\n}\n"
        );
    }

    /// Enumerators stand one a line; prototypes, typedefs and opaque types on one line or three.
    #[test]
    fn other_definitions() {
        assert_eq!(
            c_layout("enum e { A , B = 5 , C = ( E#B ) + 2 }"),
            "enum e {\n\tA,\n\tB = 5,\n\tC = (B) + 2\n}\n"
        );
        assert_eq!(
            c_layout("int f ( s#s * , const char * , ... )"),
            "int f(struct s *, const char *, ...)\n"
        );
        assert_eq!(
            c_layout("typedef void ( * t#work_func_t ) ( s#work * )"),
            "typedef void (*work_func_t)(struct work *)\n"
        );
        assert_eq!(
            c_layout("struct s { UNKNOWN }"),
            "struct s {\n\t/* only declared */\n}\n"
        );
        assert_eq!(c_layout(""), "");
    }

    /// Unbalanced text is laid out somehow and without panic.
    #[test]
    fn unbalanced_text() {
        for text in ["} } ; ) (", "{ { (", "enum {", "* *"] {
            assert!(!c_layout(text).is_empty());
        }
    }
}
