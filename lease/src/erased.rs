use std::{future::Future, pin::Pin};

use supervisor_core::BoxError;

use crate::{Acquisition, Bid, Holder, Renewal, Store, Token};

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store of any type.
pub(crate) trait AnyStore: Send + Sync {
    fn acquire<'a>(&'a self, bid: Bid<'a>) -> Boxed<'a, Result<Acquisition, BoxError>>;

    fn renew<'a>(&'a self, bid: Bid<'a>, token: Token) -> Boxed<'a, Result<Renewal, BoxError>>;

    fn release<'a>(&'a self, holder: &'a Holder) -> Boxed<'a, Result<(), BoxError>>;

    fn freed(&self) -> Boxed<'_, ()>;
}

impl<S: Store> AnyStore for S {
    fn acquire<'a>(&'a self, bid: Bid<'a>) -> Boxed<'a, Result<Acquisition, BoxError>> {
        Box::pin(async move { Store::acquire(self, &bid).await })
    }

    fn renew<'a>(&'a self, bid: Bid<'a>, token: Token) -> Boxed<'a, Result<Renewal, BoxError>> {
        Box::pin(async move { Store::renew(self, &bid, token).await })
    }

    fn release<'a>(&'a self, holder: &'a Holder) -> Boxed<'a, Result<(), BoxError>> {
        Box::pin(Store::release(self, holder))
    }

    fn freed(&self) -> Boxed<'_, ()> {
        Box::pin(Store::freed(self))
    }
}
