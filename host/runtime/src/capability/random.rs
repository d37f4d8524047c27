//! `watcher:random`: numbers from the seed of the run; journaled for action handlers.

use rand_chacha::rand_core::Rng;

use crate::bindings::imports::watcher::random::random::Host;
use crate::call::{Call, Outside};

/// How many bytes one call gives.
const MAX_BYTES: u32 = 65_536;

impl Call {
    async fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.enter(0).await?;
        self.moved(count as usize);
        match &mut self.outside {
            Outside::Nothing => Ok(vec![0; count as usize]),
            Outside::Decision(decision) => {
                let mut bytes = vec![0; count as usize];
                decision.random.fill_bytes(&mut bytes);
                Ok(bytes)
            }
            Outside::Handler(handler) => match handler.random(count).await {
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(self.end(error)),
            },
        }
    }
}

impl Host for Call {
    async fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.random(count.min(MAX_BYTES)).await
    }

    async fn number(&mut self) -> wasmtime::Result<u64> {
        let bytes = self.random(8).await?;
        let mut number = [0; 8];
        number.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok(u64::from_le_bytes(number))
    }
}
