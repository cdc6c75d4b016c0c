//! What each class of change means to a module, and the ways out: one table for reports and help.

/// The meaning of one class of change or of one class of cause.
#[derive(Debug)]
pub struct ClassText {
    /// Its spelling.
    pub class: &'static str,
    /// What happened, to stand behind the name of a symbol or type.
    pub title: &'static str,
    /// Why it matters, one sentence.
    pub why: &'static str,
    /// What can be done about it.
    pub way_out: &'static str,
}

const fn text(
    class: &'static str,
    title: &'static str,
    why: &'static str,
    way_out: &'static str,
) -> ClassText {
    ClassText {
        class,
        title,
        why,
        way_out,
    }
}

const KEEP_LAYOUT: &str = "Use a reserved slot of the type or a side structure, put the new member into a private type, \
     or keep the old text for the CRC where the layout stays the same.";

/// Every class that a report can name, by spelling.
pub const CLASSES: &[ClassText] = &[
    text(
        "added",
        "added",
        "A new export breaks no module; from now on modules can depend on it.",
        "Nothing to do, unless the list of exports is frozen.",
    ),
    text(
        "attribute",
        "attributes changed",
        "The CRC covers attributes. One that aligns or packs moves members; any other changes the CRC alone.",
        "Undo the attribute, or keep the old text for the CRC where the layout stays the same.",
    ),
    text(
        "crc-changed",
        "CRC changed",
        "A module built before carries another CRC for the symbol, and the loader refuses it.",
        "Undo the change of the types named as its causes, or hide it from them.",
    ),
    text(
        "crc-only",
        "spelled otherwise, same layout",
        "Names and spellings are part of the CRC: the compiled code is the same, and the loader refuses modules all the same.",
        "Keep the old spelling, or hide the new one from the CRC.",
    ),
    text(
        "definition",
        "definition changed",
        "Every symbol that reaches the type gets another CRC; a module built before is refused, and would use the \
         old layout if it were forced.",
        KEEP_LAYOUT,
    ),
    text(
        "enum-appended",
        "enumerators added",
        "No value moved, but every symbol that reaches the type gets another CRC, and the loader refuses modules.",
        "Hide the new enumerators from the CRC; a module built before cannot use them.",
    ),
    text(
        "enum-shifted",
        "enumerators moved",
        "Values that a module was built with mean something else now.",
        "Put new enumerators at the end, with values of their own, and keep the old ones.",
    ),
    text(
        "export-loosened",
        "export no longer GPL-only",
        "More modules may use the symbol; none loses it.",
        "Nothing to do.",
    ),
    text(
        "export-tightened",
        "export became GPL-only",
        "Modules with another licence no longer see the symbol.",
        "Keep the plain export until no protected module needs it.",
    ),
    text(
        "hidden",
        "hidden from the CRC",
        "The compiler sees another text than the CRC covers: a module loads, and may use another layout.",
        "Check the layout of the structure by hand, or show genksyms the new text.",
    ),
    text(
        "hidden-layout",
        "layout changed behind the back of the CRC",
        "A module built before is not refused, and uses wrong places or sizes of the structure: it reads and writes what is \
         not there.",
        KEEP_LAYOUT,
    ),
    text(
        "layout",
        "layout changed",
        "Every symbol that reaches the type gets another CRC; a module built before is refused, and would use the \
         old layout if it were forced.",
        KEEP_LAYOUT,
    ),
    text(
        "module-unknown",
        "cannot be said to load",
        "The module depends on another one that was not given.",
        "Add that module: --modules, or `kabigate modules scan`.",
    ),
    text(
        "moved-to-module",
        "moved to another module",
        "The symbol is there only once another module is loaded: load order and initramfs can miss it.",
        "Check the load order of the modules that use it, or keep the export where it was.",
    ),
    text(
        "moved-to-vmlinux",
        "moved into vmlinux",
        "The symbol is always there now; no module is refused.",
        "Nothing to do; a dependency on the module that exported it before may go.",
    ),
    text(
        "namespace-changed",
        "namespace changed",
        "A module that imports only the old namespace is refused.",
        "Keep the namespace, or have the modules import the new one.",
    ),
    text(
        "namespace-dropped",
        "namespace dropped",
        "Modules need one import less; none is refused.",
        "Nothing to do.",
    ),
    text(
        "namespace-gained",
        "moved into a namespace",
        "A module that does not import the namespace is refused.",
        "Keep the symbol out of the namespace, or have the modules import it.",
    ),
    text(
        "namespace-restricted",
        "restricted to named modules",
        "Only the modules that the export names may use it; all others are refused.",
        "Name the modules that need it, or keep the export open.",
    ),
    text(
        "prototype",
        "prototype changed",
        "Callers built before pass other arguments or expect another result, and the loader refuses them.",
        "Add a new function beside the old one and leave the old prototype alone.",
    ),
    text(
        "removed",
        "removed",
        "A module that imports the symbol does not load.",
        "Keep the export, if only as a wrapper around its successor.",
    ),
    text(
        "slot-used",
        "reserved member used",
        "A place that was kept free for this is taken, and one slot less is left. Where the CRC stays, old modules leave \
         it alone; where it changed, the loader refuses them.",
        "Check that the new member fits the slot, that old modules never had to set it, and that the tree's macro for \
         reserved members shows the CRC the old text.",
    ),
    text(
        "undefined",
        "no text on one side",
        "One side knows the name and no definition, so its CRC does not cover the type.",
        "Look at the declaration: genksyms could not read it on that side.",
    ),
    text(
        "unversioned",
        "CRC appeared or vanished",
        "The loader compares the missing CRC like a number and refuses modules that carry another.",
        "Make the symbol versioned again: its declaration must be visible where the CRC is computed.",
    ),
    text(
        "visibility",
        "declared on one side, defined on the other",
        "No layout changed, but the CRC sees the definition on one side only, and the loader refuses modules.",
        "Give the file that exports the symbol the includes that it had before.",
    ),
];

/// Text for a class that this version does not know, such as one of a report written by a later version.
const UNKNOWN: ClassText = text(
    "",
    "changed",
    "The symbol or type is not what it was.",
    "Compare both sides.",
);

/// The meaning of a class of change.
#[must_use]
pub fn class_text(class: &str) -> &'static ClassText {
    match CLASSES.binary_search_by(|text| text.class.cmp(class)) {
        Ok(at) => CLASSES.get(at).unwrap_or(&UNKNOWN),
        Err(_) => &UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every class that a comparison can name has a text.
    #[test]
    fn every_class_has_a_text() {
        let words = crate::compare::ChangeClass::all().map(crate::compare::ChangeClass::word);
        let causes = crate::compare::CauseClass::all().map(crate::compare::CauseClass::word);
        for word in words.chain(causes) {
            assert_eq!(class_text(word).class, word);
        }
    }

    /// The table is sorted, so that the search finds every class.
    #[test]
    fn every_class_is_found() {
        for text in CLASSES {
            assert_eq!(class_text(text.class).title, text.title);
        }
        assert_eq!(class_text("no-such-class").title, "changed");
    }
}
