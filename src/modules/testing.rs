//! Builds small kernel modules for tests: any class and byte order, with any content.

/// What a module is made of.
#[derive(Clone, Default)]
pub(super) struct Builder {
    is_32: bool,
    is_big: bool,
    modinfo: Vec<u8>,
    versions: Vec<u8>,
    has_versions: bool,
    extended: Option<(Vec<u8>, Vec<u8>)>,
    strings: Vec<u8>,
    crcs: Vec<u8>,
    /// Name, binding, section number, value.
    symbols: Vec<(String, u8, u16, u64)>,
}

const LOCAL: u8 = 0;
const GLOBAL: u8 = 1;
const WEAK: u8 = 2;

/// Numbers of the sections, in the order in which [`Builder::build`] writes them.
const KSYMTAB: u16 = 2;
const KSYMTAB_GPL: u16 = 3;
const KCRCTAB: u16 = 4;
const STRINGS: u16 = 5;
const ABSOLUTE: u16 = 0xfff1;

impl Builder {
    /// An empty module of that class and byte order.
    pub(super) fn of(is_32: bool, is_big: bool) -> Builder {
        Builder {
            is_32,
            is_big,
            ..Builder::default()
        }
    }

    fn number<const N: usize>(&self, little: [u8; N]) -> [u8; N] {
        let mut bytes = little;
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }

    fn word(&self, value: u64) -> Vec<u8> {
        if self.is_32 {
            self.number((value as u32).to_le_bytes()).to_vec()
        } else {
            self.number(value.to_le_bytes()).to_vec()
        }
    }

    /// Adds a `key=value` to `.modinfo`.
    pub(super) fn modinfo(mut self, line: &str) -> Builder {
        self.modinfo.extend(line.bytes());
        self.modinfo.push(0);
        self
    }

    /// Adds a record to `__versions`.
    pub(super) fn version(mut self, crc: u32, name: &str) -> Builder {
        let mut record = self.word(crc.into());
        record.extend(name.bytes());
        record.resize(64, 0);
        self.versions.extend(record);
        self.has_versions = true;
        self
    }

    /// Adds bytes to `__versions`.
    pub(super) fn raw_versions(mut self, bytes: &[u8]) -> Builder {
        self.versions.extend(bytes);
        self.has_versions = true;
        self
    }

    /// Adds a record to the extended version sections.
    pub(super) fn extended(mut self, crc: u32, name: &str) -> Builder {
        let crc = self.number(crc.to_le_bytes());
        let (crcs, names) = self.extended.get_or_insert_default();
        crcs.extend(crc);
        names.extend(name.bytes());
        names.push(0);
        self
    }

    /// Adds an undefined symbol.
    pub(super) fn undefined(mut self, name: &str) -> Builder {
        self.symbols.push((name.to_owned(), GLOBAL, 0, 0));
        self
    }

    /// Adds a weak undefined symbol.
    pub(super) fn weak(mut self, name: &str) -> Builder {
        self.symbols.push((name.to_owned(), WEAK, 0, 0));
        self
    }

    /// Adds an import with its version record.
    pub(super) fn import(self, crc: u32, name: &str) -> Builder {
        self.undefined(name).version(crc, name)
    }

    /// Adds an export as kernels since 5.19 do: the CRC lies in a section.
    pub(super) fn export(mut self, crc: u32, name: &str, gpl: bool, namespace: &str) -> Builder {
        let section = if gpl { KSYMTAB_GPL } else { KSYMTAB };
        self.symbols
            .push((format!("__ksymtab_{name}"), LOCAL, section, 0));
        let at = self.strings.len() as u64;
        self.symbols
            .push((format!("__kstrtabns_{name}"), LOCAL, STRINGS, at));
        self.strings.extend(namespace.bytes());
        self.strings.push(0);
        let at = self.crcs.len() as u64;
        self.symbols
            .push((format!("__crc_{name}"), LOCAL, KCRCTAB, at));
        let crc = self.number(crc.to_le_bytes());
        self.crcs.extend(crc);
        self
    }

    /// Adds an export as old kernels do: the CRC is the value of an absolute symbol.
    pub(super) fn old_export(mut self, crc: u32, name: &str) -> Builder {
        self.symbols
            .push((format!("__ksymtab_{name}"), GLOBAL, KSYMTAB, 0));
        self.symbols
            .push((format!("__crc_{name}"), GLOBAL, ABSOLUTE, crc.into()));
        self
    }

    /// The bytes of the module.
    pub(super) fn build(&self) -> Vec<u8> {
        let (symtab, strtab) = self.symbol_table();
        let mut sections: Vec<(&str, u32, Vec<u8>)> = vec![
            ("", 0, Vec::new()),
            (".gnu.linkonce.this_module", 1, vec![0; 128]),
            ("__ksymtab", 1, vec![0; 16]),
            ("__ksymtab_gpl", 1, vec![0; 16]),
            ("__kcrctab", 1, self.crcs.clone()),
            ("__ksymtab_strings", 1, self.strings.clone()),
            (".modinfo", 1, self.modinfo.clone()),
            (".symtab", 2, symtab),
            (".strtab", 3, strtab),
        ];
        if self.has_versions {
            sections.push(("__versions", 1, self.versions.clone()));
        }
        if let Some((crcs, names)) = &self.extended {
            sections.push(("__version_ext_crcs", 1, crcs.clone()));
            sections.push(("__version_ext_names", 1, names.clone()));
        }
        self.link(sections)
    }

    fn symbol_table(&self) -> (Vec<u8>, Vec<u8>) {
        let size = if self.is_32 { 16 } else { 24 };
        let (mut table, mut names) = (vec![0; size], vec![0]);
        for (name, bind, section, value) in &self.symbols {
            table.extend(self.number((names.len() as u32).to_le_bytes()));
            let info = [bind << 4, 0];
            let section = self.number(section.to_le_bytes());
            if self.is_32 {
                table.extend(self.word(*value));
                table.extend(self.word(0));
                table.extend(info);
                table.extend(section);
            } else {
                table.extend(info);
                table.extend(section);
                table.extend(self.word(*value));
                table.extend(self.word(0));
            }
            names.extend(name.bytes());
            names.push(0);
        }
        (table, names)
    }

    fn link(&self, mut sections: Vec<(&str, u32, Vec<u8>)>) -> Vec<u8> {
        let mut names = vec![0];
        let mut offsets = Vec::new();
        sections.push((".shstrtab", 3, Vec::new()));
        for (name, _, _) in &sections {
            offsets.push(names.len() as u32);
            names.extend(name.bytes());
            names.push(0);
        }
        if let Some(last) = sections.last_mut() {
            last.2 = names;
        }
        let header_size = if self.is_32 { 52 } else { 64 };
        let (mut body, mut headers) = (Vec::new(), Vec::new());
        for (index, (_, kind, data)) in sections.iter().enumerate() {
            body.resize(body.len().next_multiple_of(8), 0);
            let at = (header_size + body.len()) as u64 + 4 * u64::from(self.is_32);
            let is_symtab = *kind == 2;
            headers.extend(self.number(offsets[index].to_le_bytes()));
            headers.extend(self.number(kind.to_le_bytes()));
            headers.extend(self.word(0));
            headers.extend(self.word(0));
            headers.extend(self.word(at));
            headers.extend(self.word(data.len() as u64));
            headers.extend(self.number((if is_symtab { 8_u32 } else { 0 }).to_le_bytes()));
            headers.extend(self.number(0_u32.to_le_bytes()));
            headers.extend(self.word(8));
            let entry = match (is_symtab, self.is_32) {
                (false, _) => 0,
                (true, true) => 16,
                (true, false) => 24,
            };
            headers.extend(self.word(entry));
            body.extend(data);
        }
        body.resize(body.len().next_multiple_of(8), 0);
        let pad = if self.is_32 { vec![0; 4] } else { Vec::new() };
        let mut file = self.header(header_size + pad.len() + body.len(), sections.len());
        file.extend(pad);
        file.extend(body);
        file.extend(headers);
        file
    }

    fn header(&self, sections_at: usize, sections: usize) -> Vec<u8> {
        let half = |value: usize| self.number((value as u16).to_le_bytes());
        let mut header = vec![0x7f, b'E', b'L', b'F'];
        header.push(if self.is_32 { 1 } else { 2 });
        header.push(if self.is_big { 2 } else { 1 });
        header.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let machine = match (self.is_32, self.is_big) {
            (false, true) => 22,
            (true, _) => 8,
            _ => 62,
        };
        header.extend(half(1));
        header.extend(half(machine));
        header.extend(self.number(1_u32.to_le_bytes()));
        header.extend(self.word(0));
        header.extend(self.word(0));
        header.extend(self.word(sections_at as u64));
        header.extend(self.number(0_u32.to_le_bytes()));
        header.extend(half(if self.is_32 { 52 } else { 64 }));
        header.extend(half(0));
        header.extend(half(0));
        header.extend(half(if self.is_32 { 40 } else { 64 }));
        header.extend(half(sections));
        header.extend(half(sections - 1));
        header
    }
}
