use rust_decimal::Decimal;

/// One transaction with what became known of it: simulated, read from a file, or read from the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub transaction_id: String,
    /// Who paid: the simulator's customer.
    pub user_id: String,
    /// Who was paid: the simulator's terminal.
    pub merchant: String,
    /// Where.
    pub location: String,
    /// How much.
    pub amount: Decimal,
    /// When, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// Whether it was fraud, where that is known.
    pub fraud: Option<bool>,
    /// When that became known, in seconds since the Unix epoch. Nothing may be learned from it before.
    pub labelled_at: Option<u64>,
    /// Which of the simulator's scenarios made it fraud, 1 to 3; 0 for none or not known.
    pub scenario: u8,
}
