//! The alert topic.

use aws_sdk_sns::Client;
use fraud::Alert;

use crate::failure::ProcessError;

/// The topic that alerts are published to.
pub struct Publisher {
    client: Client,
    topic_arn: String,
}

impl Publisher {
    /// The topic with that ARN.
    pub fn new(client: Client, topic_arn: String) -> Self {
        Self { client, topic_arn }
    }

    /// Publishes one alert.
    pub async fn publish(&self, alert: &Alert) -> Result<(), ProcessError> {
        self.client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(alert.subject)
            .message(&alert.message)
            .send()
            .await
            .map_err(|error| ProcessError::Publish(error.into()))?;
        Ok(())
    }
}
