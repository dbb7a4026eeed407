//! Pure. Columns of text that are as wide as their widest cell.

/// On which side a column is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The columns of a table. Rows are written one at a time, so that a table of many rows need not be
/// held in memory: first all are fitted, then each is written.
#[derive(Debug)]
pub(crate) struct Columns {
    aligns: Vec<Align>,
    /// In characters.
    widths: Vec<usize>,
}

impl Columns {
    pub(crate) fn new(aligns: &[Align]) -> Columns {
        Columns { aligns: aligns.to_vec(), widths: vec![0; aligns.len()] }
    }

    /// Makes room for a row.
    pub(crate) fn fit(&mut self, cells: &[impl AsRef<str>]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.as_ref().chars().count());
        }
    }

    /// One row, without blanks at its end.
    pub(crate) fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let padded: Vec<String> =
            (0..cells.len()).map(|at| self.cell(at, cells[at].as_ref())).collect();
        padded.join("  ").trim_end().to_owned()
    }

    /// One cell, padded to the width of its column.
    pub(crate) fn cell(&self, column: usize, text: &str) -> String {
        let width = self.widths[column];
        match self.aligns[column] {
            Align::Left => format!("{text:width$}"),
            Align::Right => format!("{text:>width$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut columns = Columns::new(&[Align::Left, Align::Right, Align::Left]);
        let rows = [["a", "10", "x"], ["größer", "9", ""]];
        for row in &rows {
            columns.fit(row);
        }
        assert_eq!(rows.map(|row| columns.line(&row)), ["a       10  x", "größer   9"]);
    }
}
