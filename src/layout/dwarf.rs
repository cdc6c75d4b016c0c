//! Layouts from the debug information of an object.

use std::collections::{BTreeMap, BTreeSet};

use gimli::{
    AttributeValue, Dwarf, EndianSlice, Operation, Reader as _, Relocate, RelocateReader,
    RunTimeEndian, Unit, UnitOffset,
};
use object::{Object, ObjectSection, RelocationMap};

use super::{Layout, LayoutError, Member};

/// Types within types that are followed.
const MAX_DEPTH: usize = 64;
/// Most members of one type.
const MAX_MEMBERS: usize = 1 << 16;

/// A section of the object with the relocations that its values wait for.
#[derive(Default)]
struct Section<'d> {
    data: &'d [u8],
    relocations: RelocationMap,
}

#[derive(Clone, Copy, Debug)]
struct Relocations<'s>(&'s RelocationMap);

impl Relocate<usize> for Relocations<'_> {
    fn relocate_address(&self, offset: usize, value: u64) -> gimli::Result<u64> {
        Ok(self.0.relocate(offset as u64, value))
    }

    fn relocate_offset(&self, offset: usize, value: usize) -> gimli::Result<usize> {
        let value = self.0.relocate(offset as u64, value as u64);
        usize::try_from(value).map_err(|_| gimli::Error::UnsupportedOffset)
    }
}

type Reader<'s> = RelocateReader<EndianSlice<'s, RunTimeEndian>, Relocations<'s>>;
type Entry<'s> = gimli::DebuggingInformationEntry<Reader<'s>>;

/// The layouts of those types of `wanted`, spelled `struct page`, `union u` or `enum e`, that the object defines.
///
/// # Errors
/// If it is no object, or its debug information cannot be read.
pub fn layouts(
    bytes: &[u8],
    wanted: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Layout>, LayoutError> {
    let told = |error: object::Error| LayoutError::Dwarf(error.to_string());
    let file = object::File::parse(bytes).map_err(told)?;
    let endian = if file.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let sections = gimli::DwarfSections::load(|id| section(&file, id.name())).map_err(told)?;
    let dwarf = sections.borrow(|section| {
        let data = EndianSlice::new(section.data, endian);
        RelocateReader::new(data, Relocations(&section.relocations))
    });
    read(&dwarf, wanted, !file.is_little_endian())
}

fn section<'d>(file: &object::File<'d>, name: &str) -> Result<Section<'d>, object::Error> {
    let Some(section) = file.section_by_name(name) else {
        return Ok(Section::default());
    };
    let mut relocations = RelocationMap::default();
    for (offset, relocation) in section.relocations() {
        // What cannot be carried out are differences of addresses of code; types hold none.
        let _ = relocations.add(file, offset, relocation);
    }
    Ok(Section {
        data: section.data()?,
        relocations,
    })
}

fn read(
    dwarf: &Dwarf<Reader<'_>>,
    wanted: &BTreeSet<&str>,
    is_big: bool,
) -> Result<BTreeMap<String, Layout>, LayoutError> {
    let mut found = BTreeMap::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let types = Types {
            dwarf,
            unit: &unit,
            is_big,
        };
        let mut tree = unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            let Some(keyword) = keyword(entry.tag()) else {
                continue;
            };
            let Some(name) = types.name(entry)? else {
                continue;
            };
            let spelled = format!("{keyword} {name}");
            if wanted.contains(spelled.as_str())
                && !found.contains_key(&spelled)
                && !types.is_declaration(entry)
            {
                let layout = types.layout(entry.offset())?;
                found.insert(spelled, layout);
            }
        }
    }
    Ok(found)
}

fn keyword(tag: gimli::DwTag) -> Option<&'static str> {
    match tag {
        gimli::DW_TAG_structure_type => Some("struct"),
        gimli::DW_TAG_union_type => Some("union"),
        gimli::DW_TAG_enumeration_type => Some("enum"),
        _ => None,
    }
}

/// The types of one compile unit.
struct Types<'u, 's> {
    dwarf: &'u Dwarf<Reader<'s>>,
    unit: &'u Unit<Reader<'s>>,
    is_big: bool,
}

impl<'s> Types<'_, 's> {
    fn name(&self, entry: &Entry<'s>) -> Result<Option<String>, LayoutError> {
        let Some(value) = entry.attr_value(gimli::DW_AT_name) else {
            return Ok(None);
        };
        let text = self.dwarf.attr_string(self.unit, value)?;
        Ok(Some(text.to_string_lossy()?.into_owned()))
    }

    fn is_declaration(&self, entry: &Entry<'s>) -> bool {
        matches!(
            entry.attr_value(gimli::DW_AT_declaration),
            Some(AttributeValue::Flag(true))
        )
    }

    fn number(&self, entry: &Entry<'s>, name: gimli::DwAt) -> Option<u64> {
        entry.attr_value(name)?.udata_value()
    }

    fn type_of(&self, entry: &Entry<'s>) -> Option<UnitOffset> {
        match entry.attr_value(gimli::DW_AT_type)? {
            AttributeValue::UnitRef(offset) => Some(offset),
            _ => None,
        }
    }

    fn layout(&self, at: UnitOffset) -> Result<Layout, LayoutError> {
        let entry = self.unit.entry(at)?;
        let mut layout = Layout {
            size: self.number(&entry, gimli::DW_AT_byte_size).unwrap_or(0),
            ..Layout::default()
        };
        if entry.tag() == gimli::DW_TAG_enumeration_type {
            layout.values = self.values(at)?;
        } else {
            self.members(at, ("", 0), 0, &mut layout.members)?;
        }
        Ok(layout)
    }

    fn values(&self, at: UnitOffset) -> Result<Vec<(String, i128)>, LayoutError> {
        let mut values = Vec::new();
        let mut tree = self.unit.entries_tree(Some(at))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            let value = entry.attr_value(gimli::DW_AT_const_value);
            let number = value.and_then(|value| match value {
                AttributeValue::Udata(number) => Some(i128::from(number)),
                other => other
                    .sdata_value()
                    .map(i128::from)
                    .or_else(|| other.udata_value().map(i128::from)),
            });
            if let (Some(name), Some(number)) = (self.name(entry)?, number)
                && values.len() < MAX_MEMBERS
            {
                values.push((name, number));
            }
        }
        Ok(values)
    }

    /// Adds the members of a type that stands at bit `base` of the outermost one, behind `prefix`.
    fn members(
        &self,
        at: UnitOffset,
        (prefix, base): (&str, u64),
        depth: usize,
        into: &mut Vec<Member>,
    ) -> Result<(), LayoutError> {
        let mut tree = self.unit.entries_tree(Some(at))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_member {
                continue;
            }
            if into.len() >= MAX_MEMBERS || depth > MAX_DEPTH {
                let text = format!("a type with more than {MAX_MEMBERS} members");
                return Err(LayoutError::Dwarf(text));
            }
            let (of, name) = (self.type_of(entry), self.name(entry)?);
            let start = base + self.bit_of(entry, of)?;
            let untagged = match of {
                Some(of) => self.untagged(of)?,
                None => None,
            };
            let path = name.map(|name| format!("{prefix}{name}"));
            match (untagged, path) {
                (Some(inner), None) => self.members(inner, (prefix, start), depth + 1, into)?,
                (Some(inner), Some(path)) => {
                    let prefix = format!("{path}.");
                    self.members(inner, (&prefix, start), depth + 1, into)?;
                }
                (None, path) => into.push(Member {
                    path: path.unwrap_or_else(|| format!("{prefix}(unnamed)")),
                    kind: self.spelled(of, 0)?,
                    at: start,
                    bits: match self.number(entry, gimli::DW_AT_bit_size) {
                        Some(bits) => bits,
                        None => self.size(of, 0)?.saturating_mul(8),
                    },
                }),
            }
        }
        Ok(())
    }

    /// First byte of a member, or of the unit that its bits are counted in.
    fn byte_of(&self, member: &Entry<'s>) -> Result<u64, LayoutError> {
        let Some(value) = member.attr_value(gimli::DW_AT_data_member_location) else {
            return Ok(0);
        };
        if let Some(byte) = value.udata_value() {
            return Ok(byte);
        }
        // DWARF 2 says "add this to the address of the structure".
        let AttributeValue::Exprloc(expression) = value else {
            return Err(LayoutError::Dwarf("the place of a member".to_owned()));
        };
        match expression.operations(self.unit.encoding()).next()? {
            Some(Operation::PlusConstant { value }) => Ok(value),
            _ => Err(LayoutError::Dwarf("the place of a member".to_owned())),
        }
    }

    /// First bit of a member within its type.
    fn bit_of(&self, member: &Entry<'s>, of: Option<UnitOffset>) -> Result<u64, LayoutError> {
        if let Some(bit) = self.number(member, gimli::DW_AT_data_bit_offset) {
            return Ok(bit);
        }
        let byte = self.byte_of(member)?;
        let start = byte.saturating_mul(8);
        // Up to DWARF 3 a bit field says how far its first bit is from the most significant one of its unit.
        let (Some(from_top), Some(bits)) = (
            self.number(member, gimli::DW_AT_bit_offset),
            self.number(member, gimli::DW_AT_bit_size),
        ) else {
            return Ok(start);
        };
        let whole = match self.number(member, gimli::DW_AT_byte_size) {
            Some(bytes) => bytes,
            None => self.size(of, 0)?,
        };
        Ok(if self.is_big {
            start.saturating_add(from_top)
        } else {
            let below = whole.saturating_mul(8).saturating_sub(from_top);
            start.saturating_add(below.saturating_sub(bits))
        })
    }

    /// The structure or union without a tag that a type is.
    fn untagged(&self, at: UnitOffset) -> Result<Option<UnitOffset>, LayoutError> {
        let entry = self.unit.entry(at)?;
        let is_compound = matches!(
            entry.tag(),
            gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type
        );
        Ok((is_compound && entry.attr_value(gimli::DW_AT_name).is_none()).then_some(at))
    }

    /// Size in bytes.
    fn size(&self, of: Option<UnitOffset>, depth: usize) -> Result<u64, LayoutError> {
        let Some(at) = of.filter(|_| depth < MAX_DEPTH) else {
            return Ok(0);
        };
        let entry = self.unit.entry(at)?;
        if let Some(size) = self.number(&entry, gimli::DW_AT_byte_size) {
            return Ok(size);
        }
        match entry.tag() {
            gimli::DW_TAG_pointer_type => Ok(u64::from(self.unit.encoding().address_size)),
            gimli::DW_TAG_array_type => {
                let element = self.size(self.type_of(&entry), depth + 1)?;
                let counts = self.counts(at)?;
                Ok(counts
                    .iter()
                    .fold(element, |size, count| size.saturating_mul(*count)))
            }
            _ => self.size(self.type_of(&entry), depth + 1),
        }
    }

    /// How many elements an array has in each dimension; 0 where it does not say.
    fn counts(&self, at: UnitOffset) -> Result<Vec<u64>, LayoutError> {
        let mut counts = Vec::new();
        let mut tree = self.unit.entries_tree(Some(at))?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_subrange_type {
                continue;
            }
            let count = self.number(entry, gimli::DW_AT_count).or_else(|| {
                // An array of no elements has the upper bound -1.
                let bound = entry.attr_value(gimli::DW_AT_upper_bound)?.sdata_value()?;
                u64::try_from(bound.checked_add(1)?).ok()
            });
            counts.push(count.unwrap_or(0));
        }
        Ok(counts)
    }

    /// A type in the words of C.
    fn spelled(&self, of: Option<UnitOffset>, depth: usize) -> Result<String, LayoutError> {
        let Some(at) = of else {
            return Ok("void".to_owned());
        };
        if depth >= MAX_DEPTH {
            return Ok("…".to_owned());
        }
        let entry = self.unit.entry(at)?;
        let behind = |text: &str| -> Result<String, LayoutError> {
            Ok(format!(
                "{} {text}",
                self.spelled(self.type_of(&entry), depth + 1)?
            ))
        };
        match entry.tag() {
            gimli::DW_TAG_pointer_type => {
                let to = self.spelled(self.type_of(&entry), depth + 1)?;
                let gap = if to.ends_with('*') { "" } else { " " };
                Ok(format!("{to}{gap}*"))
            }
            gimli::DW_TAG_const_type => behind("const"),
            gimli::DW_TAG_volatile_type => behind("volatile"),
            gimli::DW_TAG_array_type => {
                let counts = self.counts(at)?;
                let bounds: String = counts.iter().map(|count| format!("[{count}]")).collect();
                behind(&bounds)
            }
            gimli::DW_TAG_subroutine_type => behind("()"),
            tag => {
                let name = self.name(&entry)?;
                Ok(match (keyword(tag), name) {
                    (Some(keyword), Some(name)) => format!("{keyword} {name}"),
                    (Some(keyword), None) => format!("{keyword} {{…}}"),
                    (None, Some(name)) => name,
                    (None, None) => self.spelled(self.type_of(&entry), depth + 1)?,
                })
            }
        }
    }
}
