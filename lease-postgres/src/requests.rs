use std::{error::Error, sync::Arc, time::Duration};

use lease::{Holder, Mark, Renewal, Row, Token};
use tokio::time::timeout;
use tokio_postgres::types::Type;

use crate::connection::{Connector, Line};

type BoxError = Box<dyn Error + Send + Sync>;

/// Also the name of the table.
const CHANNEL: &str = "supervision_lease";

/// How long a request of the one that listens may take: it has no other limit, and the others wait for the connection meanwhile.
const LIMIT: Duration = Duration::from_secs(1);

const READ: &str = "SELECT epoch, version, holder, duration_ms FROM supervision_lease WHERE name = $1";

const CREATE: &str = "INSERT INTO supervision_lease (name, version, holder, duration_ms) VALUES ($1, 1, $2, $3)
    ON CONFLICT (name) DO NOTHING RETURNING epoch";

/// The default of the epoch is the next number of its sequence.
const TAKE: &str = "UPDATE supervision_lease
    SET epoch = DEFAULT, version = version + 1, holder = $2, duration_ms = $3
    WHERE name = $1 AND epoch = $4 AND version = $5 RETURNING epoch";

const RENEW: &str = "UPDATE supervision_lease SET version = version + 1, duration_ms = $3
    WHERE name = $1 AND holder = $2 AND epoch = $4 RETURNING epoch";

/// The notification is sent when the change is there to be seen.
const RELEASE: &str = "WITH freed AS (
        UPDATE supervision_lease SET version = version + 1, holder = NULL
        WHERE name = $1 AND holder = $2 RETURNING name
    ) SELECT pg_notify('supervision_lease', name) FROM freed";

/// What is sent to PostgreSQL for one lease. Each request is a future of its own, which ends on its own or is dropped.
#[derive(Clone)]
pub(crate) struct Requests {
    name: Arc<str>,
    line: Arc<Line>,
}

impl Requests {
    pub(crate) fn new(connector: Connector, name: String) -> Self {
        Self { name: name.as_str().into(), line: Arc::new(Line::new(connector, name)) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn read(self) -> Result<Option<Row>, BoxError> {
        let rows = self.line.query(READ, &[(&&*self.name, Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (epoch, version) = (number(row.try_get(0)?)?, number(row.try_get(1)?)?);
        let duration = Duration::from_millis(number(row.try_get(3)?)?);
        Ok(Some(Row::new(epoch, version, row.try_get(2)?, duration)))
    }

    /// Grants the lease if the row is still what was read.
    pub(crate) async fn take(
        self,
        holder: Holder,
        duration: Duration,
        read: Option<Mark>,
    ) -> Result<Option<Token>, BoxError> {
        let (name, holder, duration) = (&*self.name, holder.as_str(), millis(duration));
        let rows = match read {
            None => {
                let values = [(&name as _, Type::TEXT), (&holder as _, Type::TEXT), (&duration as _, Type::INT8)];
                self.line.query(CREATE, &values).await?
            }
            Some(mark) => {
                let (epoch, version) = (i64::try_from(mark.epoch)?, i64::try_from(mark.version)?);
                let values = [
                    (&name as _, Type::TEXT),
                    (&holder as _, Type::TEXT),
                    (&duration as _, Type::INT8),
                    (&epoch as _, Type::INT8),
                    (&version as _, Type::INT8),
                ];
                self.line.query(TAKE, &values).await?
            }
        };
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(Token::new(number(row.try_get(0)?)?)))
    }

    pub(crate) async fn renew(self, holder: Holder, duration: Duration, token: Token) -> Result<Renewal, BoxError> {
        // A number that is none of this table is the token of no grant.
        let Ok(epoch) = i64::try_from(token.as_u64()) else { return Ok(Renewal::NotYours) };
        let values = [
            (&&*self.name as _, Type::TEXT),
            (&holder.as_str() as _, Type::TEXT),
            (&millis(duration) as _, Type::INT8),
            (&epoch as _, Type::INT8),
        ];
        let rows = self.line.query(RENEW, &values).await?;
        Ok(if rows.is_empty() { Renewal::NotYours } else { Renewal::Renewed(duration) })
    }

    pub(crate) async fn release(self, holder: Holder) -> Result<(), BoxError> {
        let values = [(&&*self.name as _, Type::TEXT), (&holder.as_str() as _, Type::TEXT)];
        // It undoes a request whose answer was lost, so it must not overtake it.
        self.line.query_in_order(RELEASE, &values).await?;
        Ok(())
    }

    pub(crate) async fn freed(self) -> Result<(), BoxError> {
        // Before the look: a release between the two is not missed.
        let mut told = timeout(LIMIT, self.line.listen(CHANNEL)).await??;
        while timeout(LIMIT, self.clone().read()).await??.is_some_and(|row| row.holder.is_some()) {
            told.changed().await?;
        }
        Ok(())
    }
}

/// Returns the whole milliseconds that cover this time: a waiter must not wait less than the holder was granted.
fn millis(duration: Duration) -> i64 {
    let whole = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(whole).unwrap_or(i64::MAX)
}

/// No number in the row is negative, unless it was put there by hand.
fn number(column: i64) -> Result<u64, BoxError> {
    u64::try_from(column).map_err(|_| format!("a negative number in the row: {column}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_is_told_no_less_than_was_granted() {
        assert_eq!(millis(Duration::from_secs(15)), 15_000);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::MAX), i64::MAX);
    }
}
