//! Finds the rule that speaks for a name in time that depends on the name, not on the number of rules.

use std::collections::HashMap;

use super::scope::Scope;
use super::segment::{Pattern, Rank, Segment};

/// Scopes by their segments. Values are positions in the list that it was built from.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// For each scope its place when all are sorted by specificity.
    ranks: Vec<usize>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    /// Sorted, those with more literal characters first.
    patterns: Vec<(Pattern, usize)>,
    any: Option<usize>,
    run: Option<usize>,
    scope: Option<usize>,
}

impl Trie {
    /// Of two scopes that are equal the first is kept; see [`ties`].
    pub(super) fn new(scopes: &[&Scope]) -> Self {
        let mut order: Vec<usize> = (0..scopes.len()).collect();
        order.sort_by(|&a, &b| match (scopes.get(a), scopes.get(b)) {
            (Some(a), Some(b)) => a.compare_specificity(b),
            _ => a.cmp(&b),
        });
        let mut trie = Self { nodes: vec![Node::default()], ranks: vec![0; scopes.len()] };
        for (rank, scope) in order.into_iter().enumerate() {
            if let Some(place) = trie.ranks.get_mut(scope) {
                *place = rank;
            }
        }
        for (position, scope) in scopes.iter().enumerate() {
            trie.insert(scope, position);
        }
        for node in &mut trie.nodes {
            node.patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.literal_length()));
        }
        trie
    }

    /// The most specific scope that covers the name.
    pub(super) fn find(&self, domain: &str, path: &str) -> Option<usize> {
        let mut segments = Vec::with_capacity(8);
        segments.push(domain);
        segments.extend(path.split('/'));
        self.best(0, &segments)
    }

    /// Looks below `node` from the most specific kind of segment to the least; what is found first is the answer,
    /// except among equals, where what follows decides.
    fn best(&self, node: usize, name: &[&str]) -> Option<usize> {
        let node = self.nodes.get(node)?;
        if let Some((first, rest)) = name.split_first() {
            if let Some(found) = node.literals.get(*first).and_then(|&child| self.best(child, rest)) {
                return Some(found);
            }
            for equals in node.patterns.chunk_by(|(a, _), (b, _)| a.literal_length() == b.literal_length()) {
                let accepting = equals.iter().filter(|(pattern, _)| pattern.accepts(first));
                if let Some(found) = self.best_of(accepting.map(|&(_, child)| (child, rest))) {
                    return Some(found);
                }
            }
            if let Some(found) = node.any.and_then(|child| self.best(child, rest)) {
                return Some(found);
            }
            if let Some(run) = node.run {
                let places = (0..name.len()).filter_map(|skipped| Some((run, name.get(skipped..)?)));
                if let Some(found) = self.best_of(places) {
                    return Some(found);
                }
            }
        }
        node.scope
    }

    fn best_of<'a>(&self, places: impl Iterator<Item = (usize, &'a [&'a str])>) -> Option<usize> {
        places.filter_map(|(node, name)| self.best(node, name)).max_by_key(|&found| self.ranks.get(found))
    }

    fn insert(&mut self, scope: &Scope, position: usize) {
        let mut at = 0;
        for segment in scope.segments() {
            at = self.child(at, segment);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.scope.get_or_insert(position);
        }
    }

    fn child(&mut self, parent: usize, segment: &Segment) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return parent };
        let child = match segment {
            Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
            Segment::Pattern(pattern) => match node.patterns.iter().find(|(known, _)| known == pattern) {
                Some(&(_, child)) => child,
                None => {
                    node.patterns.push((pattern.clone(), new));
                    new
                }
            },
            Segment::Any => *node.any.get_or_insert(new),
            Segment::Run => *node.run.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }
}

/// Pairs of scopes of which neither is more specific although a name can be covered by both.
///
/// At most one pair is told for each scope, with the earlier one of the list first.
pub(super) fn ties(scopes: &[&Scope]) -> Vec<(usize, usize)> {
    let mut groups: HashMap<_, Vec<(&str, usize)>> = HashMap::new();
    for (position, scope) in scopes.iter().enumerate() {
        let (group, prefix) = group(scope);
        groups.entry(group).or_default().push((prefix, position));
    }
    let mut found = Vec::new();
    for mut equals in groups.into_values() {
        equals.sort_unstable();
        for (at, &(prefix, one)) in equals.iter().enumerate() {
            let candidates = equals.iter().skip(at + 1).take_while(|(other, _)| other.starts_with(prefix));
            let rival = candidates.map(|&(_, other)| other).find(
                |&other| matches!((scopes.get(one), scopes.get(other)), (Some(a), Some(b)) if a.overlaps(b)),
            );
            found.extend(rival.map(|other| (one.min(other), one.max(other))));
        }
    }
    found.sort_unstable();
    found
}

/// What two scopes must have in common to tie: the rank of each segment and, as far as no `**` shifts them, the
/// literals. With it what the last pattern begins with: of two that overlap, one begins with the other.
fn group(scope: &Scope) -> ((Vec<Rank>, Vec<&str>), &str) {
    let ranks = scope.segments().iter().map(Segment::rank).collect();
    let mut literals = Vec::new();
    let mut prefix = "";
    for segment in scope.segments().iter().take_while(|segment| **segment != Segment::Run) {
        match segment {
            Segment::Literal(text) => literals.push(&**text),
            Segment::Pattern(pattern) => prefix = pattern.literal_prefix(),
            Segment::Any | Segment::Run => {}
        }
    }
    ((ranks, literals), prefix)
}
