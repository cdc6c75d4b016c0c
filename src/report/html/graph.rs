//! How exports reach a changed definition, as boxes and lines of an inline SVG.
//!
//! An export stands on the left, a type in the column of its longest distance to the change, so that every line goes from
//! left to right; in a column, boxes stand in the order in which the paths name them. Both are decided by the paths alone:
//! the same report gives the same picture.

use std::collections::BTreeMap;

use serde::Serialize;

use super::page::text;

/// Most exports that start a path.
const MAX_PATHS: usize = 8;
/// Most steps of a path; longer ones are shown as text only.
const MAX_STEPS: usize = 12;
/// Longest label, in characters.
const MAX_LABEL: usize = 44;

// Sizes in SVG units. Seven and a half of them hold a character of the monospaced font at the size of the style.
const CHARACTER: usize = 15;
const PER: usize = 2;
const PAD: usize = 10;
const BOX_HEIGHT: usize = 28;
const ROW: usize = 40;
const GAP: usize = 48;
const MARGIN: usize = 6;

/// A picture.
#[derive(Debug, Serialize)]
pub(super) struct Graph {
    width: usize,
    height: usize,
    boxes: Vec<Node>,
    lines: Vec<Edge>,
    /// How many exports with a path of their own are not drawn.
    pub(super) more: String,
}

#[derive(Debug, Serialize)]
struct Node {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    text_x: usize,
    text_y: usize,
    label: String,
    /// `export`, `type` or `change`.
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Edge {
    /// Path data of a curve.
    d: String,
}

/// Draws paths that all end in the same change; none if no path has two steps.
pub(super) fn draw(paths: &[&[String]]) -> Option<Graph> {
    let usable = |path: &&&[String]| (2..=MAX_STEPS).contains(&path.len());
    let mut usable: Vec<&[String]> = paths.iter().filter(usable).copied().collect();
    usable.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    usable.dedup();
    let all = varied(&usable);
    let more = super::causes::more(usable.len(), all.len());
    if all.is_empty() {
        return None;
    }
    let columns = columns(&all);
    let places = places(&columns);
    let lines = lines(&all, &places);
    let right = |p: &Place| p.x + p.width;
    Some(Graph {
        width: places.values().map(right).max().unwrap_or(0) + MARGIN,
        height: places.values().map(|p| p.y).max().unwrap_or(0) + BOX_HEIGHT + MARGIN,
        boxes: nodes(&columns, &places),
        lines,
        more,
    })
}

/// The paths to draw: of each way behind the export one, then another of each, so that the picture shows all ways that fit.
fn varied<'a>(paths: &[&'a [String]]) -> Vec<&'a [String]> {
    let mut turns: BTreeMap<&[String], usize> = BTreeMap::new();
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let turn = turns.entry(path.get(1..).unwrap_or_default()).or_insert(0);
        order.push((*turn, at));
        *turn += 1;
    }
    order.sort_unstable();
    order.truncate(MAX_PATHS);
    let chosen = order
        .into_iter()
        .filter_map(|(_, at)| paths.get(at).copied());
    let mut chosen: Vec<&[String]> = chosen.collect();
    chosen.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    chosen
}

/// The names of each column, the change in the last one.
fn columns<'a>(paths: &[&'a [String]]) -> Vec<Vec<&'a str>> {
    let mut distance: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for path in paths {
        for (at, name) in path.iter().rev().enumerate() {
            let known = distance.entry(name).or_insert_with(|| {
                order.push(name);
                at
            });
            *known = at.max(*known);
        }
    }
    let last = distance.values().copied().max().unwrap_or(0);
    // Exports stand on the left, however near the change is.
    for path in paths {
        if let Some(start) = path.first().filter(|start| !is_passed(paths, start)) {
            distance.insert(start, last);
        }
    }
    let mut columns = vec![Vec::new(); last + 1];
    for name in order {
        if let Some(column) = columns.get_mut(last - distance[name]) {
            column.push(name);
        }
    }
    columns
}

/// Whether a path leads through a name, so that a line comes in from its left.
fn is_passed(paths: &[&[String]], name: &str) -> bool {
    paths
        .iter()
        .any(|path| path.iter().skip(1).any(|step| step == name))
}

#[derive(Clone, Copy)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
}

fn places<'a>(columns: &[Vec<&'a str>]) -> BTreeMap<&'a str, Place> {
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut places = BTreeMap::new();
    let mut x = MARGIN;
    for column in columns {
        let longest = column.iter().map(|name| label(name).chars().count()).max();
        let width = longest.unwrap_or(0) * CHARACTER / PER + 2 * PAD;
        // A short column stands in the middle of the tallest.
        let start = MARGIN + (tallest - column.len()) * ROW / 2;
        for (row, name) in column.iter().enumerate() {
            let y = start + row * ROW;
            places.insert(*name, Place { x, y, width });
        }
        x += width + GAP;
    }
    places
}

fn lines(paths: &[&[String]], places: &BTreeMap<&str, Place>) -> Vec<Edge> {
    let mut drawn: Vec<(&str, &str)> = Vec::new();
    for path in paths {
        for pair in path.windows(2) {
            if let [from, to] = pair {
                drawn.push((from, to));
            }
        }
    }
    drawn.sort_unstable();
    drawn.dedup();
    let edges = drawn.into_iter().filter_map(|(from, to)| {
        let (from, to) = (places.get(from)?, places.get(to)?);
        let (x1, y1) = (from.x + from.width, from.y + BOX_HEIGHT / 2);
        let (x2, y2) = (to.x, to.y + BOX_HEIGHT / 2);
        let middle = (x1 + x2) / 2;
        Some(Edge {
            d: format!("M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"),
        })
    });
    edges.collect()
}

fn nodes(columns: &[Vec<&str>], places: &BTreeMap<&str, Place>) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        for name in column {
            let Some(place) = places.get(name) else {
                continue;
            };
            let kind = if at + 1 == columns.len() {
                "change"
            } else if name.contains(' ') {
                "type"
            } else {
                "export"
            };
            nodes.push(Node {
                x: place.x,
                y: place.y,
                width: place.width,
                height: BOX_HEIGHT,
                text_x: place.x + PAD,
                text_y: place.y + 19,
                label: label(name),
                kind,
            });
        }
    }
    nodes
}

/// A name short enough for a box: its end is cut, since kinds and prefixes stand at the start.
fn label(name: &str) -> String {
    let shown = text(name, usize::MAX);
    if shown.chars().count() <= MAX_LABEL {
        return shown;
    }
    let kept: String = shown.chars().take(MAX_LABEL - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> Vec<String> {
        text.split(" > ").map(str::to_owned).collect()
    }

    /// Shared steps are one box, every line goes to the right, and the change stands last.
    #[test]
    fn shared_steps_are_drawn_once() {
        let paths = [
            path("netif_rx > struct sk_buff > struct net_device"),
            path("skb_put > struct sk_buff > struct net_device"),
            path("free_netdev > struct net_device"),
        ];
        let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
        let graph = draw(&paths).expect("a picture");
        assert_eq!((graph.boxes.len(), graph.lines.len()), (5, 4));
        assert_eq!(graph.boxes.last().map(|b| b.kind), Some("change"));
        assert_eq!(graph.boxes.iter().filter(|b| b.kind == "export").count(), 3);
        assert!(draw(&[&[String::from("alone")]]).is_none());
    }

    /// Many exports on one way leave room for the other ways, and the others are counted.
    #[test]
    fn every_way_is_drawn() {
        let mut paths: Vec<Vec<String>> = (0..20)
            .map(|n| path(&format!("e{n:02} > struct a")))
            .collect();
        paths.push(path("far > struct b > struct a"));
        let slices: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
        let graph = draw(&slices).expect("a picture");
        assert!(graph.boxes.iter().any(|b| b.label == "struct b"));
        assert_eq!(graph.more, "13");
        assert_eq!(
            graph.boxes.iter().filter(|b| b.x == MARGIN).count(),
            MAX_PATHS
        );
    }

    proptest! {
        /// Any paths give a finite picture in which no two boxes overlap.
        #[test]
        fn boxes_do_not_overlap(paths in prop::collection::vec(prop::collection::vec("[ab]{1,2}", 0..6), 0..12)) {
            let mut paths = paths;
            for path in &mut paths {
                path.push("end".to_owned());
            }
            let slices: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
            if let Some(graph) = draw(&slices) {
                for (at, one) in graph.boxes.iter().enumerate() {
                    prop_assert!(one.x + one.width <= graph.width && one.y + one.height <= graph.height);
                    for other in &graph.boxes[at + 1..] {
                        let apart = one.x + one.width <= other.x || other.x + other.width <= one.x
                            || one.y + one.height <= other.y || other.y + other.height <= one.y;
                        prop_assert!(apart);
                    }
                }
            }
        }
    }
}
