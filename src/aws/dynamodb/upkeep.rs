//! What DynamoDB keeps beside a table: its backups and its expiry.

use super::shape::{USUAL_RECOVERY_DAYS, invalid};
use super::table::Table;
use crate::resource::Failure;
use aws_sdk_dynamodb::types::{PointInTimeRecoverySpecification, TimeToLiveSpecification};

impl Table {
    pub(super) async fn recover(&self, name: &str, on: bool) -> Result<(), Failure> {
        let aws = &self.0;
        let recovery = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(on)
            .set_recovery_period_in_days(on.then_some(USUAL_RECOVERY_DAYS))
            .build();
        let recovery = recovery.map_err(|why| invalid(&why))?;
        aws.call("dynamodb:UpdateContinuousBackups", || {
            let update = aws.dynamodb.update_continuous_backups().table_name(name);
            update.point_in_time_recovery_specification(recovery.clone()).send()
        })
        .await?;
        Ok(())
    }

    pub(super) async fn expire(&self, name: &str, attribute: &str, on: bool) -> Result<(), Failure> {
        let aws = &self.0;
        let expiry = TimeToLiveSpecification::builder()
            .enabled(on)
            .attribute_name(attribute)
            .build();
        let expiry = expiry.map_err(|why| invalid(&why))?;
        let updated = aws
            .call("dynamodb:UpdateTimeToLive", || {
                aws.dynamodb
                    .update_time_to_live()
                    .table_name(name)
                    .time_to_live_specification(expiry.clone())
                    .send()
            })
            .await;
        match updated {
            // Also of a change that took effect and whose reply was lost, the second is refused.
            Err(why) if why.code == "ValidationException" => {
                let now = self.details(name).await?.ttl_attribute;
                if now.as_deref() == on.then_some(attribute) {
                    return Ok(());
                }
                Err(why
                    .hint("a change of the expiry can take AWS an hour, and until then it takes no other; try later"))
            }
            Err(why) => Err(why),
            Ok(_) => Ok(()),
        }
    }
}
