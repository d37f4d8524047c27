//! Rows of texts in columns, for people at a terminal.

use watcher_domain::text::is_steering;

/// A column: its title, and whether it holds numbers.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Texts, on the left.
    Text(&'static str),
    /// Numbers, on the right.
    Number(&'static str),
}

impl Column {
    const fn title(self) -> &'static str {
        match self {
            Self::Text(title) | Self::Number(title) => title,
        }
    }
}

/// Longest text of a cell, in characters; what is longer is cut.
const MAX_CELL: usize = 80;

/// A table.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Texts come from services and plugins: what a terminal would take for a command becomes a space.
    pub fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        let clean = |cell: String| {
            let mut text: String = cell.chars().take(MAX_CELL).map(|c| if is_steering(c) { ' ' } else { c }).collect();
            if cell.chars().nth(MAX_CELL).is_some() {
                text.pop();
                text.push('…');
            }
            text
        };
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text: a line of titles, then one line for each row.
    pub fn text(&self) -> String {
        let titles: Vec<String> = self.columns.iter().map(|column| column.title().to_owned()).collect();
        let width = |place: usize| {
            let cells = self.rows.iter().chain([&titles]).filter_map(|row| row.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).zip(&self.columns).map(|((cell, &width), column)| match column {
                Column::Text(_) => format!("{cell:<width$}"),
                Column::Number(_) => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        [&titles].into_iter().chain(&self.rows).map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&[Column::Text("name"), Column::Number("bytes"), Column::Text("notes")]);
        table.add(["a".to_owned(), "12".to_owned(), String::new()]);
        table.add(["größer".to_owned(), "345678".to_owned(), "x\u{1b}[31m\u{202e}".to_owned()]);
        assert_eq!(
            table.text(),
            "name     bytes  notes\n\
             a           12\n\
             größer  345678  x [31m"
        );
    }

    #[test]
    fn long_cells_are_cut() {
        let mut table = Table::new(&[Column::Text("t")]);
        table.add(["x".repeat(200)]);
        assert_eq!(table.text().lines().last().unwrap().chars().count(), MAX_CELL);
        assert_eq!((table.len(), table.is_empty()), (1, false));
    }
}
