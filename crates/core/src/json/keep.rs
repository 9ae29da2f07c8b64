//! Which parts of a document stay in memory.

use std::collections::BTreeMap;

/// A tree of the fields and elements that are kept. Documents from outside may have megabytes of which a decision needs a
/// few texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Everything from here on is kept.
    whole: bool,
    /// Fields by their name, and elements by their index.
    named: BTreeMap<String, Self>,
    /// All elements of an array.
    each: Option<Box<Self>>,
}

static EVERYTHING: Keep = Keep { whole: true, named: BTreeMap::new(), each: None };
static NOTHING: Keep = Keep { whole: false, named: BTreeMap::new(), each: None };

impl Keep {
    /// The whole document.
    pub fn everything() -> &'static Self {
        &EVERYTHING
    }

    /// What these paths lead to, such as `predicate/builder/id`; `*` is each element of an array.
    pub fn paths(paths: &[&str]) -> Self {
        let mut keep = Self::default();
        for path in paths {
            let mut at = &mut keep;
            for name in path.split('/') {
                at = match name {
                    "*" => at.each.get_or_insert_default(),
                    name => at.named.entry(name.to_owned()).or_default(),
                };
            }
            at.whole = true;
        }
        keep
    }

    /// Keeps what these names lead to, too; they stand for themselves. What is kept of each element of an array stays kept of
    /// the one that a name leads to.
    pub fn add<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        let mut at = self;
        for name in names {
            let each = at.each.as_deref();
            at = at.named.entry(name.to_owned()).or_insert_with(|| each.cloned().unwrap_or_default());
        }
        at.whole = true;
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == NOTHING
    }

    /// Whether elements are kept by their index, so that their places count.
    pub(super) fn has_places(&self) -> bool {
        !self.whole && !self.named.is_empty()
    }

    pub(super) fn field(&self, name: &str) -> &Self {
        match self.whole {
            true => &EVERYTHING,
            false => self.named.get(name).unwrap_or(&NOTHING),
        }
    }

    pub(super) fn element(&self, index: usize) -> &Self {
        if self.whole {
            return &EVERYTHING;
        }
        let named = if self.named.is_empty() { None } else { self.named.get(&index.to_string()) };
        named.or(self.each.as_deref()).unwrap_or(&NOTHING)
    }
}
