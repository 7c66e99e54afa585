//! The ROC and the precision-recall curves of scorers, side by side, as one SVG.

use std::fmt::{self, Write};

use crate::metrics::Ranking;

/// No curve has more points than this, however many transactions it stands for.
const MOST_POINTS: usize = 200;

const WIDTH: f64 = 1_080.0;
const PLOT: f64 = 420.0;
const TOP: f64 = 70.0;
const LEFTS: [f64; 2] = [80.0, 610.0];
/// Where the legends begin: below the plots, so that they hide no curve.
const LEGEND: f64 = TOP + PLOT + 68.0;
const ROW: f64 = 18.0;

/// Colours that people who see few colours tell apart too (Okabe and Ito's), and a dash for print.
const STROKES: [(&str, &str); 7] = [
    ("#0072b2", "none"),
    ("#d55e00", "none"),
    ("#009e73", "7 3"),
    ("#cc79a7", "2 3"),
    ("#e69f00", "9 3 2 3"),
    ("#56b4e9", "none"),
    ("#000000", "4 4"),
];

/// A point of a curve, both from 0 to 1.
type Point = (f64, f64);

/// Draws the curves of scorers by name, under a title.
pub fn svg(title: &str, curves: &[(&str, Ranking)]) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = draw(&mut text, title, curves);
    text
}

fn draw(out: &mut String, title: &str, curves: &[(&str, Ranking)]) -> fmt::Result {
    let height = LEGEND + ROW * curves.len() as f64;
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13" role="img">"#
    )?;
    writeln!(out, "<title>{}</title>", escaped(title))?;
    writeln!(out, r#"<rect width="100%" height="100%" fill="white"/>"#)?;
    writeln!(
        out,
        r#"<text x="{}" y="26" font-size="16" text-anchor="middle">{}</text>"#,
        WIDTH / 2.0,
        escaped(title)
    )?;
    let share = curves.first().map_or(0.0, |(_, ranking)| share(ranking));
    axes(
        out,
        LEFTS[0],
        "ROC",
        "honest transactions flagged",
        "frauds flagged (recall)",
    )?;
    axes(out, LEFTS[1], "Precision and recall", "recall", "precision")?;
    // What chance alone gives.
    chance(out, LEFTS[0], (0.0, 0.0), (1.0, 1.0))?;
    chance(out, LEFTS[1], (0.0, share), (1.0, share))?;
    for (number, (name, ranking)) in curves.iter().enumerate() {
        let stroke = STROKES[number % STROKES.len()];
        line(out, LEFTS[0], stroke, &roc(ranking))?;
        line(out, LEFTS[1], stroke, &precision_recall(ranking))?;
        let auc = ranking.auc().map_or_else(|| "-".to_owned(), |auc| format!("{auc:.3}"));
        let ap = ranking
            .average_precision()
            .map_or_else(|| "-".to_owned(), |ap| format!("{ap:.3}"));
        let y = LEGEND + ROW * number as f64;
        legend(out, LEFTS[0], y, stroke, name, &format!("AUC {auc}"))?;
        legend(out, LEFTS[1], y, stroke, name, &format!("AP {ap}"))?;
    }
    writeln!(out, "</svg>")
}

/// The frame of a plot with its ticks and names.
fn axes(out: &mut String, left: f64, title: &str, x_name: &str, y_name: &str) -> fmt::Result {
    let (right, bottom, middle) = (left + PLOT, TOP + PLOT, left + PLOT / 2.0);
    writeln!(
        out,
        r#"<text x="{middle}" y="{}" text-anchor="middle">{title}</text>"#,
        TOP - 14.0
    )?;
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        let (x, y) = at(left, (value, value));
        writeln!(
            out,
            r##"<path d="M{x} {TOP}V{bottom}M{left} {y}H{right}" stroke="#ddd"/>"##
        )?;
        writeln!(
            out,
            r#"<text x="{x}" y="{}" text-anchor="middle">{value:.1}</text>"#,
            bottom + 18.0
        )?;
        writeln!(
            out,
            r#"<text x="{}" y="{}" text-anchor="end">{value:.1}</text>"#,
            left - 8.0,
            y + 4.0
        )?;
    }
    writeln!(
        out,
        r#"<rect x="{left}" y="{TOP}" width="{PLOT}" height="{PLOT}" fill="none" stroke="black"/>"#
    )?;
    writeln!(
        out,
        r#"<text x="{middle}" y="{}" text-anchor="middle">{x_name}</text>"#,
        bottom + 42.0
    )?;
    let (x, y) = (left - 46.0, TOP + PLOT / 2.0);
    writeln!(
        out,
        r#"<text x="{x}" y="{y}" text-anchor="middle" transform="rotate(-90 {x} {y})">{y_name}</text>"#
    )
}

fn chance(out: &mut String, left: f64, from: Point, to: Point) -> fmt::Result {
    let ((x1, y1), (x2, y2)) = (at(left, from), at(left, to));
    writeln!(
        out,
        r##"<path d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}" stroke="#888" stroke-dasharray="1 4" fill="none"/>"##
    )
}

fn line(out: &mut String, left: f64, (colour, dash): (&str, &str), points: &[Point]) -> fmt::Result {
    if points.is_empty() {
        return Ok(());
    }
    write!(
        out,
        r#"<polyline fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}" points=""#
    )?;
    for point in points {
        let (x, y) = at(left, *point);
        write!(out, "{x:.1},{y:.1} ")?;
    }
    writeln!(out, r#""/>"#)
}

fn legend(out: &mut String, x: f64, y: f64, (colour, dash): (&str, &str), name: &str, value: &str) -> fmt::Result {
    writeln!(
        out,
        r#"<path d="M{x:.1} {y:.1}h28" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>"#
    )?;
    writeln!(
        out,
        r#"<text x="{:.1}" y="{:.1}">{}, {value}</text>"#,
        x + 36.0,
        y + 4.0,
        escaped(name)
    )
}

/// Where a point of a plot is on the picture.
fn at(left: f64, (x, y): Point) -> (f64, f64) {
    (left + x * PLOT, TOP + (1.0 - y) * PLOT)
}

/// From nothing flagged to everything.
fn roc(ranking: &Ranking) -> Vec<Point> {
    let (frauds, honest) = (ranking.frauds() as f64, ranking.honest() as f64);
    if frauds == 0.0 || honest == 0.0 {
        return Vec::new();
    }
    let steps = ranking.steps().iter();
    let points: Vec<Point> = steps
        .map(|step| (step.honest as f64 / honest, step.frauds as f64 / frauds))
        .collect();
    // Neither coordinate ever falls, so their sum runs through the whole curve, steep parts and flat ones.
    let mut kept = vec![(0.0, 0.0)];
    kept.extend(thinned(&points, |point| (point.0 + point.1) / 2.0));
    kept
}

/// In steps: up to each recall the precision is that at which it is reached. So the area below is the average precision.
fn precision_recall(ranking: &Ranking) -> Vec<Point> {
    let frauds = ranking.frauds() as f64;
    if frauds == 0.0 {
        return Vec::new();
    }
    // Honest transactions alone lower the precision for the frauds after them, and add no recall of their own.
    let mut points: Vec<Point> = Vec::new();
    let mut found = 0;
    for step in ranking.steps().iter().filter(|step| step.frauds > 0) {
        if step.frauds > found {
            points.push((step.frauds as f64 / frauds, step.precision()));
        }
        found = step.frauds;
    }
    let mut kept = Vec::new();
    let mut recall = 0.0;
    for (reached, precision) in thinned(&points, |point| point.0) {
        kept.extend([(recall, precision), (reached, precision)]);
        recall = reached;
    }
    kept
}

/// The last point of each of so many equal stretches of `along`, which never falls and ends at 1.
fn thinned(points: &[Point], along: impl Fn(&Point) -> f64) -> Vec<Point> {
    let stretch = |point: &Point| (along(point) * MOST_POINTS as f64).ceil();
    let mut kept: Vec<Point> = Vec::new();
    for point in points {
        match kept.last_mut() {
            Some(last) if stretch(last) == stretch(point) => *last = *point,
            _ => kept.push(*point),
        }
    }
    kept
}

/// The share of fraud among all.
fn share(ranking: &Ranking) -> f64 {
    let all = ranking.frauds() + ranking.honest();
    if all == 0 {
        0.0
    } else {
        ranking.frauds() as f64 / all as f64
    }
}

/// Text as XML holds it. What XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    let mut escaped = String::new();
    for c in kept {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(points: &[Point]) -> f64 {
        points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[1].1 + pair[0].1) / 2.0)
            .sum()
    }

    #[test]
    fn a_picture_names_its_axes_and_every_scorer_with_its_figures() {
        let good = Ranking::of([(0.9, true), (0.2, false), (0.1, false)]);
        let bad = Ranking::of([(0.1, true), (0.2, false), (0.1, false)]);
        let picture = svg("seed 1 <&>", &[("ours", good), ("b\"a\"se", bad)]);
        for part in [
            "<title>seed 1 &lt;&amp;&gt;</title>",
            ">ROC<",
            ">recall<",
            ">precision<",
            ">ours, AUC 1.000<",
            ">ours, AP 1.000<",
            ">b&quot;a&quot;se, AUC 0.250<",
        ] {
            assert!(picture.contains(part), "{part}:\n{picture}");
        }
        assert_eq!(picture.matches("<polyline").count(), 4);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    }

    #[test]
    fn a_picture_of_nothing_is_still_one() {
        let picture = svg("", &[("none", Ranking::of([]))]);
        assert!(picture.contains("none, AUC -") && !picture.contains("<polyline") && !picture.contains("NaN"));
        assert!(svg("", &[]).ends_with("</svg>\n"));
    }

    #[test]
    fn curves_stay_small_whatever_they_stand_for() {
        let many = (0..100_000_u32).map(|number| (f64::from(number.wrapping_mul(2_654_435_761)), number % 97 == 0));
        let ranking = Ranking::of(many);
        assert!(roc(&ranking).len() <= MOST_POINTS + 2);
        assert!(precision_recall(&ranking).len() <= 2 * MOST_POINTS + 2);
    }

    proptest! {
        #[test]
        fn the_areas_below_the_curves_are_the_figures(
            scored in prop::collection::vec((0_u8..9, any::<bool>()), 1..60)
        ) {
            // As few as that lose no point.
            let ranking = Ranking::of(scored.iter().map(|(score, fraud)| (f64::from(*score), *fraud)));
            if let Some(auc) = ranking.auc() {
                prop_assert!((area(&roc(&ranking)) - auc).abs() < 1e-9);
            }
            if let Some(ap) = ranking.average_precision() {
                prop_assert!((area(&precision_recall(&ranking)) - ap).abs() < 1e-9);
            }
        }

        #[test]
        fn thinning_keeps_the_areas_and_the_ends(seed in any::<u32>()) {
            let scored = (0..20_000_u32).map(|number| {
                let score = number.wrapping_mul(2_654_435_761).wrapping_add(seed) % 1_000;
                (f64::from(score), (number ^ seed) % 50 == 0 && score > 200)
            });
            let ranking = Ranking::of(scored);
            let roc = roc(&ranking);
            prop_assert_eq!((roc[0], roc[roc.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
            prop_assert!(ranking.auc().is_some_and(|auc| (area(&roc) - auc).abs() < 0.005));
            let curve = precision_recall(&ranking);
            prop_assert!(ranking.average_precision().is_some_and(|ap| (area(&curve) - ap).abs() < 0.01));
        }
    }
}
