//! A set of rules with its default: what one source of policy says about every name.

use super::pods;
use super::rule::Rule;
use super::trie::Trie;
use crate::reference::Repository;

/// Rules without ties, and the rule for names that none of them covers.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) default: Rule,
    pub(super) rules: Vec<Rule>,
    trie: Trie,
}

impl Layer {
    pub(super) fn new(default: Rule, rules: Vec<Rule>) -> Self {
        let trie = Trie::new(&rules.iter().collect::<Vec<_>>());
        Self { default, rules, trie }
    }

    /// The same, with each rule changed. Scopes and pods must stay.
    pub(super) fn map(self, change: impl Fn(Rule) -> Rule) -> Self {
        let rules = self.rules.into_iter().map(&change).collect();
        Self { default: change(self.default), rules, trie: self.trie }
    }

    /// The rules, and the default last.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain(std::iter::once(&self.default))
    }

    /// The rules that apply to a repository: at least one, the rule for all pods first.
    pub(super) fn applicable(&self, repository: &Repository, namespace: Option<&str>) -> (&Rule, Vec<&Rule>) {
        let (domain, path) = (repository.canonical_domain(), repository.path());
        let covers = |rule: usize, namespace: &str| {
            let pods = self.rules.get(rule).and_then(Rule::pods);
            pods.is_none_or(|pods| pods.cover(namespace))
        };
        let of = |rule: Option<usize>| rule.and_then(|rule| self.rules.get(rule)).unwrap_or(&self.default);
        match namespace.filter(|name| pods::is_namespace(name)) {
            Some(namespace) => {
                (of(self.trie.find(&domain, path, &|rule| covers(rule, namespace))), Vec::new())
            }
            None => {
                let (particular, general) = self.trie.find_all(&domain, path);
                (of(general), particular.into_iter().filter_map(|rule| self.rules.get(rule)).collect())
            }
        }
    }
}
