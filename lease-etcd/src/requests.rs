use std::{error::Error, time::Duration};

use etcd_client::{
    Client, Compare, CompareOp, EventType, KeyValue, LeaseGrantOptions, PutOptions, ResponseHeader, Txn, TxnOp,
    TxnOpResponse, WatchFilterType, WatchOptions,
};
use lease::{Acquisition, Holder, Renewal, Token};

type BoxError = Box<dyn Error + Send + Sync>;

/// The longest time to live that etcd grants, in seconds.
const LONGEST: u64 = 9_000_000_000;

/// The code of gRPC for what is not there.
const NOT_FOUND: i32 = 5;

/// What is sent to etcd for one lease. Each request is a future of its own, which ends on its own or is dropped.
#[derive(Clone)]
pub(crate) struct Requests {
    client: Client,
    key: String,
}

impl Requests {
    pub(crate) fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) async fn acquire(mut self, holder: Holder, duration: Duration) -> Result<Acquisition, BoxError> {
        // A lease that is held is the common case, and costs no write.
        let (_, key) = self.look().await?;
        if let Some(other) = key {
            return Ok(held_by(&other));
        }
        let lease = lease_of(&holder);
        let granted = self.client.lease_grant(seconds(duration), Some(LeaseGrantOptions::new().with_id(lease))).await?;
        let time = Duration::from_secs(u64::try_from(granted.ttl()).unwrap_or_default());
        let answer = self.create(lease, &holder, time).await;
        if matches!(answer, Ok(Acquisition::Granted { .. })) {
            return answer;
        }
        // Nothing belongs to it. If this fails too, it goes when its time is over.
        let revoked = self.release(holder).await;
        let refused = answer?;
        revoked?;
        Ok(refused)
    }

    /// Creates the key if there is none.
    async fn create(&mut self, lease: i64, holder: &Holder, duration: Duration) -> Result<Acquisition, BoxError> {
        let key = self.key.as_str();
        let put = TxnOp::put(key, holder.as_str(), Some(PutOptions::new().with_lease(lease)));
        let txn = Txn::new()
            .when([Compare::create_revision(key, CompareOp::Equal, 0)])
            .and_then([put])
            .or_else([TxnOp::get(key, None)]);
        let answer = self.client.txn(txn).await?;
        if answer.succeeded() {
            // The transaction has one revision, at which it has created the key.
            return Ok(Acquisition::Granted { token: token_at(header(answer.header())?.revision()), duration });
        }
        let other = answer.op_responses().into_iter().find_map(|response| match response {
            TxnOpResponse::Get(found) => found.kvs().first().map(held_by),
            _ => None,
        });
        other.ok_or_else(|| "etcd has a key and does not show it".into())
    }

    pub(crate) async fn renew(mut self, holder: Holder, token: Token) -> Result<Renewal, BoxError> {
        let lease = lease_of(&holder);
        let kept = self.keep_alive(lease).await;
        // The key decides, whatever became of the keepalive: an operator may have deleted it and left the lease.
        let (term, key) = self.look().await?;
        if !key.is_some_and(|key| token_at(key.create_revision()) == token && key.lease() == lease) {
            return Ok(Renewal::NotYours);
        }
        let (kept_in, time) = kept?;
        if kept_in != term {
            // A leader that was cut off answers keepalives until it finds out. What the one after it counts is not what it has answered.
            return Err("etcd has changed its leader during the renewal".into());
        }
        Ok(if time.is_zero() { Renewal::NotYours } else { Renewal::Renewed(time) })
    }

    /// Keeps the lease alive once, and returns in which term of office and for how long.
    async fn keep_alive(&mut self, lease: i64) -> Result<(u64, Duration), BoxError> {
        // The client sends one keepalive of its own, and keeps the answer to itself. The stream ends with this function.
        let (mut keeper, mut answers) = self.client.lease_keep_alive(lease).await?;
        keeper.keep_alive().await?;
        let answer = answers.message().await?.ok_or("etcd has ended the stream of keepalives")?;
        let seconds = u64::try_from(answer.ttl()).unwrap_or_default();
        Ok((header(answer.header())?.raft_term(), Duration::from_secs(seconds)))
    }

    pub(crate) async fn release(mut self, holder: Holder) -> Result<(), BoxError> {
        // The key goes with the lease.
        match self.client.lease_revoke(lease_of(&holder)).await {
            Err(etcd_client::Error::GRpcStatus(status)) if i32::from(status.code()) == NOT_FOUND => Ok(()),
            revoked => Ok(revoked.map(|_| ())?),
        }
    }

    pub(crate) async fn freed(mut self) -> Result<(), BoxError> {
        let answer = self.client.get(self.key.as_str(), None).await?;
        if answer.kvs().is_empty() {
            return Ok(());
        }
        // From the look on, so that no release between the two is missed.
        let next = header(answer.header())?.revision() + 1;
        let options = WatchOptions::new().with_start_revision(next).with_filters([WatchFilterType::NoPut]);
        let mut changes = self.client.watch(self.key.as_str(), Some(options)).await?;
        while let Some(change) = changes.message().await? {
            if change.events().iter().any(|event| event.event_type() == EventType::Delete) {
                return Ok(());
            }
            if change.canceled() {
                break;
            }
        }
        Err("etcd has ended the watch".into())
    }

    /// Reads the key, from a member that knows that it is up to date, and its term of office.
    async fn look(&mut self) -> Result<(u64, Option<KeyValue>), BoxError> {
        let mut answer = self.client.get(self.key.as_str(), None).await?;
        Ok((header(answer.header())?.raft_term(), answer.take_kvs().pop()))
    }
}

/// Returns the number of etcd's lease for this holder. Zero asks etcd to choose one, and etcd takes no negative ones.
fn lease_of(holder: &Holder) -> i64 {
    i64::try_from(holder.number() >> 1).unwrap_or(i64::MAX).max(1)
}

/// Returns the whole seconds that cover this time.
fn seconds(duration: Duration) -> i64 {
    let whole = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(whole.clamp(1, LONGEST)).unwrap_or(i64::MAX)
}

/// Revisions begin at one and grow.
fn token_at(revision: i64) -> Token {
    Token::new(u64::try_from(revision).unwrap_or_default())
}

fn held_by(key: &KeyValue) -> Acquisition {
    Acquisition::HeldBy(String::from_utf8_lossy(key.value()).into_owned())
}

fn header(header: Option<&ResponseHeader>) -> Result<&ResponseHeader, BoxError> {
    header.ok_or_else(|| "etcd has answered without a header".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_holder_has_a_lease_with_a_positive_number() {
        for number in [0, 1, 2, u64::MAX, 1 << 63] {
            assert!(lease_of(&Holder::new(number)) > 0, "{number}");
        }
    }

    #[test]
    fn a_part_of_a_second_is_asked_for_as_a_whole_one() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(seconds(Duration::from_secs(15)), 15);
        assert_eq!(seconds(Duration::MAX), 9_000_000_000);
    }
}
