//! The world around the handler: what it needs done, and AWS doing it.

use fraud::{Alert, Assessment, Threshold, Transaction};

use crate::clients;
use crate::failure::ProcessError;
use crate::publisher::Publisher;
use crate::settings::Settings;
use crate::store::Store;
use crate::threshold::ThresholdSource;

/// What the handler needs done outside of itself.
pub trait Outside {
    /// Stores a transaction that was received at `timestamp`, with what the rules made of it.
    async fn store(
        &self,
        transaction: &Transaction,
        assessment: &Assessment,
        timestamp: u64,
    ) -> Result<(), ProcessError>;

    /// Publishes an alert. At least once: a retry whose first attempt got through publishes it twice.
    async fn publish(&self, alert: &Alert) -> Result<(), ProcessError>;

    /// The threshold in force at `now`. Always answers, if need be with an older value or the built-in one.
    async fn threshold(&self, now: u64) -> Threshold;
}

/// AWS as the settings name it. Its clients are made once and keep their connections.
pub struct Aws {
    store: Store,
    publisher: Publisher,
    threshold: ThresholdSource,
}

impl Aws {
    /// Makes the clients. Calls nothing yet.
    pub async fn connect(settings: Settings) -> Self {
        let shared = clients::configuration().await;
        let threshold_parameter = settings.threshold_parameter();
        Self {
            store: Store::new(aws_sdk_dynamodb::Client::new(&shared), settings.shared.table),
            publisher: Publisher::new(aws_sdk_sns::Client::new(&shared), settings.shared.topic_arn),
            threshold: ThresholdSource::new(clients::ssm(&shared), threshold_parameter),
        }
    }
}

impl Outside for Aws {
    async fn store(
        &self,
        transaction: &Transaction,
        assessment: &Assessment,
        timestamp: u64,
    ) -> Result<(), ProcessError> {
        self.store.put(transaction, assessment, timestamp).await
    }

    async fn publish(&self, alert: &Alert) -> Result<(), ProcessError> {
        self.publisher.publish(alert).await
    }

    async fn threshold(&self, now: u64) -> Threshold {
        self.threshold.current(now).await
    }
}
