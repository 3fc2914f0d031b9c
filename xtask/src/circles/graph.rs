//! Circles in a graph: its strongly connected components, by Tarjan's algorithm.

use std::collections::{BTreeMap, BTreeSet};

struct Search<'g, N> {
    graph: &'g BTreeMap<N, Vec<N>>,
    /// Number, and lowest number reached, of each visited node.
    met: BTreeMap<N, (usize, usize)>,
    open: Vec<N>,
    found: Vec<BTreeSet<N>>,
}

impl<N: Ord + Copy> Search<'_, N> {
    fn visit(&mut self, node: N) -> usize {
        let number = self.met.len();
        self.met.insert(node, (number, number));
        self.open.push(node);
        let mut low = number;
        for next in self.graph.get(&node).into_iter().flatten() {
            low = match self.met.get(next) {
                None => low.min(self.visit(*next)),
                Some((number, _)) if self.open.contains(next) => low.min(*number),
                Some(_) => low,
            };
        }
        if low == number {
            let from = self.open.iter().position(|open| *open == node).unwrap_or_default();
            self.found.push(self.open.split_off(from).into_iter().collect());
        }
        self.met.insert(node, (number, low));
        low
    }
}

/// The sets of nodes that reach each other; a node that is in no circle is a set of its own.
pub fn components<N: Ord + Copy>(graph: &BTreeMap<N, Vec<N>>) -> Vec<BTreeSet<N>> {
    let mut search = Search { graph, met: BTreeMap::new(), open: vec![], found: vec![] };
    for node in graph.keys() {
        if !search.met.contains_key(node) {
            search.visit(*node);
        }
    }
    search.found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_single_nodes() {
        let graph =
            BTreeMap::from([(1, vec![2]), (2, vec![3, 4]), (3, vec![1]), (4, vec![5]), (5, vec![4, 6]), (6, vec![])]);
        let mut found: Vec<Vec<i32>> = components(&graph).into_iter().map(|set| set.into_iter().collect()).collect();
        found.sort();
        assert_eq!(found, [vec![1, 2, 3], vec![4, 5], vec![6]]);
    }
}
