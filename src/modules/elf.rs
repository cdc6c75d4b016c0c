//! A relocatable ELF file of any class and byte order, reduced to what a module reader needs.
//!
//! Only headers, the symbol table and the sections that are asked for are read. Memory is bounded by a small
//! multiple of the file's size and time by its size times [`NAME_LIMIT`]: tables are checked against the file
//! before they are walked, and names are cut off at a limit instead of being searched to the end of a table.

use object::read::elf::{FileHeader, SectionHeader, Sym, SymbolTable};
use object::read::{FileKind, SectionIndex};
use object::{Endianness, ReadRef, elf};

use super::ranges::Data;

/// The longest name in bytes; the kernel's own limit for symbols is 512.
const NAME_LIMIT: usize = 1024;

/// A section.
#[derive(Clone, Copy)]
pub(super) struct Section<'d> {
    /// Empty if the name is not in the string table or too long.
    pub(super) name: &'d [u8],
    /// Size in memory, in bytes.
    pub(super) size: u64,
    /// Offset and size in the file; `None` if the section has no bytes there.
    place: Option<(u64, u64)>,
}

/// Where a symbol is defined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Undefined,
    Absolute,
    /// In the section of that index.
    Section(usize),
    Other,
}

/// A named symbol.
#[derive(Clone, Copy)]
pub(super) struct Symbol {
    name: u32,
    pub(super) place: Place,
    pub(super) value: u64,
    pub(super) weak: bool,
}

/// The symbol table of either class.
enum Symbols<'d> {
    Narrow(SymbolTable<'d, elf::FileHeader32<Endianness>, Data<'d>>),
    Wide(SymbolTable<'d, elf::FileHeader64<Endianness>, Data<'d>>),
}

/// A relocatable ELF file.
pub(super) struct Object<'d> {
    data: Data<'d>,
    pub(super) is_64: bool,
    pub(super) endian: Endianness,
    /// `EM_PPC` or `EM_PPC64`, whose undefined symbols include some that no module exports.
    pub(super) is_powerpc: bool,
    pub(super) sections: Vec<Section<'d>>,
    symbols: Symbols<'d>,
    /// The names of the symbols.
    names: &'d [u8],
}

impl<'d> Object<'d> {
    /// Reads the tables of an ELF file.
    ///
    /// # Errors
    ///
    /// Why the file is not a relocatable ELF file with a symbol table.
    pub(super) fn read(data: Data<'d>) -> Result<Object<'d>, String> {
        match FileKind::parse(data) {
            Ok(FileKind::Elf32) => read::<elf::FileHeader32<Endianness>>(data, Symbols::Narrow),
            Ok(FileKind::Elf64) => read::<elf::FileHeader64<Endianness>>(data, Symbols::Wide),
            _ => Err("no ELF file".to_owned()),
        }
    }

    /// The first section of that name.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'d>> {
        self.sections.iter().find(|s| s.name == name.as_bytes())
    }

    /// The bytes of the first section of that name; `None` if there is none.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<&'d [u8]>, String> {
        self.section(name)
            .map(|section| {
                self.section_bytes(section)
                    .ok_or_else(|| format!("section {name} lies outside the file"))
            })
            .transpose()
    }

    fn section_bytes(&self, section: &Section<'d>) -> Option<&'d [u8]> {
        match section.place {
            None => Some(&[]),
            Some((offset, size)) => self.data.read_bytes_at(offset, size).ok(),
        }
    }

    /// The bytes at a symbol's place, up to the end of its section.
    pub(super) fn bytes_at(&self, symbol: &Symbol) -> Option<&'d [u8]> {
        let Place::Section(index) = symbol.place else {
            return None;
        };
        let data = self.section_bytes(self.sections.get(index)?)?;
        data.get(usize::try_from(symbol.value).ok()?..)
    }

    /// The name of a symbol; `None` if it is not in the string table or too long.
    pub(super) fn name(&self, symbol: &Symbol) -> Option<&'d [u8]> {
        name_at(self.names, symbol.name)
    }

    /// Whether the name of a symbol begins with that text, without looking for the name's end.
    pub(super) fn name_starts(&self, symbol: &Symbol, start: &[u8]) -> bool {
        let at = usize::try_from(symbol.name).ok();
        at.and_then(|at| self.names.get(at..))
            .is_some_and(|name| name.starts_with(start))
    }

    /// Walks the named symbols in their order, until one is an error.
    pub(super) fn each_symbol(
        &self,
        mut see: impl FnMut(&Symbol) -> Result<(), String>,
    ) -> Result<(), String> {
        match &self.symbols {
            Symbols::Narrow(table) => walk(table, self.endian, &mut see),
            Symbols::Wide(table) => walk(table, self.endian, &mut see),
        }
    }

    /// Reads a 32-bit number in the file's byte order.
    pub(super) fn u32(&self, bytes: &[u8]) -> Option<u32> {
        let bytes = bytes.first_chunk::<4>()?;
        Some(match self.endian {
            Endianness::Little => u32::from_le_bytes(*bytes),
            Endianness::Big => u32::from_be_bytes(*bytes),
        })
    }
}

/// The NUL-terminated text at an offset; `None` if it is not there or longer than [`NAME_LIMIT`].
pub(super) fn text_at(table: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = table.get(offset..)?;
    let window = rest.get(..=NAME_LIMIT).unwrap_or(rest);
    window.get(..memchr::memchr(0, window)?)
}

fn read<'d, H: FileHeader<Endian = Endianness>>(
    data: Data<'d>,
    wrap: impl FnOnce(SymbolTable<'d, H, Data<'d>>) -> Symbols<'d>,
) -> Result<Object<'d>, String> {
    let said = |error: object::read::Error| error.to_string();
    let header = H::parse(data).map_err(said)?;
    let endian = header.endian().map_err(said)?;
    if header.e_type(endian) != elf::ET_REL {
        return Err("an ELF program or library, not a relocatable file".to_owned());
    }
    let sections = read_sections(header, endian, data)?;
    let table = header
        .sections(endian, data)
        .and_then(|all| {
            let table = all.symbols(endian, data, elf::SHT_SYMTAB)?;
            let names = match table.is_empty() {
                true => &[],
                false => all.section(table.string_section())?.data(endian, data)?,
            };
            Ok((table, names))
        })
        .map_err(said)?;
    let (table, names) = table;
    if table.is_empty() {
        return Err("no symbol table, so its imports cannot be known".to_owned());
    }
    let machine = header.e_machine(endian);
    Ok(Object {
        data,
        is_64: header.is_class_64(),
        endian,
        is_powerpc: machine == elf::EM_PPC || machine == elf::EM_PPC64,
        sections,
        symbols: wrap(table),
        names,
    })
}

fn read_sections<'d, H: FileHeader<Endian = Endianness>>(
    header: &H,
    endian: Endianness,
    data: Data<'d>,
) -> Result<Vec<Section<'d>>, String> {
    let said = |error: object::read::Error| error.to_string();
    let headers = header.section_headers(endian, data).map_err(said)?;
    if headers.is_empty() {
        return Err("an ELF file without sections".to_owned());
    }
    let index = header.shstrndx(endian, data).map_err(said)?;
    let names = usize::try_from(index)
        .ok()
        .and_then(|index| headers.get(index))
        .ok_or("no section holds the names of the sections")?
        .data(endian, data)
        .map_err(said)?;
    Ok(headers
        .iter()
        .map(|section| Section {
            name: name_at(names, section.sh_name(endian)).unwrap_or_default(),
            size: section.sh_size(endian).into(),
            place: section.file_range(endian),
        })
        .collect())
}

fn walk<'d, H: FileHeader<Endian = Endianness>>(
    table: &SymbolTable<'d, H, Data<'d>>,
    endian: Endianness,
    see: &mut dyn FnMut(&Symbol) -> Result<(), String>,
) -> Result<(), String> {
    for (index, symbol) in table.enumerate() {
        let name = symbol.st_name(endian);
        if name == 0 {
            continue;
        }
        see(&Symbol {
            name,
            place: place(symbol, endian, || {
                table.symbol_section(endian, symbol, index).ok().flatten()
            }),
            value: symbol.st_value(endian).into(),
            weak: symbol.st_bind() == elf::STB_WEAK,
        })?;
    }
    Ok(())
}

fn name_at(names: &[u8], offset: u32) -> Option<&[u8]> {
    text_at(names, usize::try_from(offset).ok()?)
}

fn place<S: Sym<Endian = Endianness>>(
    symbol: &S,
    endian: Endianness,
    section: impl FnOnce() -> Option<SectionIndex>,
) -> Place {
    match symbol.st_shndx(endian) {
        elf::SHN_UNDEF => Place::Undefined,
        elf::SHN_ABS => Place::Absolute,
        _ => section().map_or(Place::Other, |index| Place::Section(index.0)),
    }
}
