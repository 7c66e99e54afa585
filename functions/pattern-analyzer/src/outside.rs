//! The world around the analysis: what it needs done, and AWS doing it.

use fraud::settings::Settings;
use fraud::{Alert, Pattern, Window};

use crate::clients;
use crate::failure::AnalyzeError;
use crate::publisher::Publisher;
use crate::store::Store;

/// What the analysis needs done outside of itself.
pub trait Outside {
    /// Sums up the suspicious transactions of a window: all of them, or an error.
    async fn find_suspicious(&self, window: Window) -> Result<Pattern, AnalyzeError>;

    /// Publishes an alert. At least once: a retry whose first attempt got through publishes it twice.
    async fn publish(&self, alert: &Alert) -> Result<(), AnalyzeError>;
}

/// AWS as the settings name it. Its clients are made once and keep their connections.
pub struct Aws {
    store: Store,
    publisher: Publisher,
}

impl Aws {
    /// Makes the clients. Calls nothing yet.
    pub async fn connect(settings: Settings) -> Self {
        let shared = clients::configuration().await;
        Self {
            store: Store::new(aws_sdk_dynamodb::Client::new(&shared), settings.table),
            publisher: Publisher::new(aws_sdk_sns::Client::new(&shared), settings.topic_arn),
        }
    }
}

impl Outside for Aws {
    async fn find_suspicious(&self, window: Window) -> Result<Pattern, AnalyzeError> {
        self.store.find_suspicious(window).await
    }

    async fn publish(&self, alert: &Alert) -> Result<(), AnalyzeError> {
        self.publisher.publish(alert).await
    }
}
