//! Finds the rule for a name in time that depends on the length of the name, not on the number of rules.

use std::collections::{HashMap, HashSet};

use super::rule::Rule;
use super::scope::Scope;
use super::segment::{Pattern, Rank, Segment};

/// Rules by the segments of their scopes. Values are indexes into the list that it was built from.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// For each rule its position in the order of specificity; rules for some pods come after those for all.
    ranks: Vec<usize>,
    /// The rules that apply to some pods only.
    particular: HashSet<usize>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    /// Sorted by the number of literal characters, descending.
    patterns: Vec<(Pattern, usize)>,
    any: Option<usize>,
    run: Option<usize>,
    /// Most specific first.
    rules: Vec<usize>,
}

impl Trie {
    pub(super) fn new(rules: &[&Rule]) -> Self {
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by(|&a, &b| match (rules.get(a), rules.get(b)) {
            (Some(a), Some(b)) => {
                let specific = a.scope().compare_specificity(b.scope());
                specific.then(a.pods().is_some().cmp(&b.pods().is_some()))
            }
            _ => a.cmp(&b),
        });
        let particular = (0..rules.len()).filter(|&at| rules.get(at).is_some_and(|it| it.pods().is_some()));
        let particular = particular.collect();
        let mut trie = Self { nodes: vec![Node::default()], ranks: vec![0; rules.len()], particular };
        for (rank, rule) in order.into_iter().enumerate() {
            if let Some(place) = trie.ranks.get_mut(rule) {
                *place = rank;
            }
        }
        for (position, rule) in rules.iter().enumerate() {
            trie.insert(rule.scope(), position);
        }
        for node in &mut trie.nodes {
            node.patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.literal_length()));
            node.rules.sort_by_key(|&rule| std::cmp::Reverse(trie.ranks.get(rule).copied()));
        }
        trie
    }

    /// The most specific rule that covers the name and satisfies `wanted`.
    pub(super) fn find(&self, domain: &str, path: &str, wanted: &dyn Fn(usize) -> bool) -> Option<usize> {
        self.best(0, &segments(domain, path), wanted)
    }

    /// The most specific rule for all pods that covers the name, and every more specific rule for some pods.
    pub(super) fn find_all(&self, domain: &str, path: &str) -> (Vec<usize>, Option<usize>) {
        let name = segments(domain, path);
        let general = self.best(0, &name, &|rule| !self.particular.contains(&rule));
        let mut found = Vec::new();
        if !self.particular.is_empty() {
            let rank = |rule: usize| self.ranks.get(rule).copied();
            let least = general.and_then(rank);
            self.all(0, &name, &mut |rule| {
                if self.particular.contains(&rule) && rank(rule) > least {
                    found.push(rule);
                }
            });
            found.sort_unstable();
            found.dedup();
        }
        (found, general)
    }

    /// Searches below `node` from the most specific kind of segment to the least. The first match is the result, except
    /// among equally specific patterns, where the following segments decide.
    fn best(&self, node: usize, name: &[&str], wanted: &dyn Fn(usize) -> bool) -> Option<usize> {
        let node = self.nodes.get(node)?;
        if let Some((first, rest)) = name.split_first() {
            if let Some(found) = node.literals.get(*first).and_then(|&child| self.best(child, rest, wanted)) {
                return Some(found);
            }
            for equals in node.patterns.chunk_by(|(a, _), (b, _)| a.literal_length() == b.literal_length()) {
                let accepting = equals.iter().filter(|(pattern, _)| pattern.accepts(first));
                if let Some(found) = self.best_of(accepting.map(|&(_, child)| (child, rest)), wanted) {
                    return Some(found);
                }
            }
            if let Some(found) = node.any.and_then(|child| self.best(child, rest, wanted)) {
                return Some(found);
            }
            if let Some(run) = node.run {
                let places = (0..name.len()).filter_map(|skipped| Some((run, name.get(skipped..)?)));
                if let Some(found) = self.best_of(places, wanted) {
                    return Some(found);
                }
            }
        }
        node.rules.iter().copied().find(|&rule| wanted(rule))
    }

    fn best_of<'a>(
        &self,
        places: impl Iterator<Item = (usize, &'a [&'a str])>,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let found = places.filter_map(|(node, name)| self.best(node, name, wanted));
        found.max_by_key(|&found| self.ranks.get(found))
    }

    /// Visits every rule below `node` that covers the name; one with `**` possibly more than once.
    fn all(&self, node: usize, name: &[&str], visit: &mut dyn FnMut(usize)) {
        let Some(node) = self.nodes.get(node) else { return };
        node.rules.iter().for_each(|&rule| visit(rule));
        let Some((first, rest)) = name.split_first() else { return };
        let accepting = node.patterns.iter().filter(|(pattern, _)| pattern.accepts(first));
        let children = node.literals.get(*first).copied().into_iter();
        for child in children.chain(accepting.map(|&(_, child)| child)).chain(node.any) {
            self.all(child, rest, visit);
        }
        if let Some(run) = node.run {
            for skipped in 0..name.len() {
                self.all(run, name.get(skipped..).unwrap_or_default(), visit);
            }
        }
    }

    fn insert(&mut self, scope: &Scope, position: usize) {
        let mut at = 0;
        for segment in scope.segments() {
            at = self.child(at, segment);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.rules.push(position);
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

fn segments<'a>(domain: &'a str, path: &'a str) -> Vec<&'a str> {
    let mut segments = Vec::with_capacity(8);
    segments.push(domain);
    segments.extend(path.split('/'));
    segments
}

/// Pairs of rules that are equally specific and can cover the same name for the same pod.
///
/// At most one pair for each rule, with the rule that is earlier in the list first.
pub(super) fn ties(rules: &[&Rule]) -> Vec<(usize, usize)> {
    let mut groups: HashMap<_, Vec<(&str, usize)>> = HashMap::new();
    for (position, rule) in rules.iter().enumerate() {
        let (group, prefix) = group(rule.scope());
        groups.entry((group, rule.pods().is_some())).or_default().push((prefix, position));
    }
    let mut found = Vec::new();
    for mut equals in groups.into_values() {
        equals.sort_unstable();
        for (at, &(prefix, one)) in equals.iter().enumerate() {
            let candidates = equals.iter().skip(at + 1).take_while(|(other, _)| other.starts_with(prefix));
            let tying = candidates
                .map(|&(_, other)| other)
                .find(|&other| matches!((rules.get(one), rules.get(other)), (Some(a), Some(b)) if tie(a, b)));
            found.extend(tying.map(|other| (one.min(other), one.max(other))));
        }
    }
    found.sort_unstable();
    found
}

/// Whether two rules that are equally specific can both apply to one request.
fn tie(one: &Rule, other: &Rule) -> bool {
    let pods = match (one.pods(), other.pods()) {
        (Some(one), Some(other)) => one.overlap(other),
        (None, None) => true,
        _ => false,
    };
    pods && one.scope().overlaps(other.scope())
}

/// What two scopes must have in common to tie: the rank of each segment and, up to the first `**`, the literals. The
/// second value is the literal prefix of the last pattern: of two that overlap, one is a prefix of the other.
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
