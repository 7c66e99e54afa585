//! The alert topic.

use aws_sdk_sns::Client;

use crate::BoxError;

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

    /// Publishes one alert. At least once: where a reply is lost, a retry publishes it again.
    ///
    /// # Errors
    ///
    /// It may not have been published.
    pub async fn publish(&self, subject: &str, message: &str) -> Result<(), BoxError> {
        let call = self.client.publish().topic_arn(&self.topic_arn);
        call.subject(subject).message(message).send().await?;
        Ok(())
    }
}
