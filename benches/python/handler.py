"""The reference of the benchmark: the base behaviour of POST /transactions as a Python function has it.

The base rule scores, the item is put, and an alert is published when the score exceeds the threshold. Written as AWS
recommends for Python: clients are made once, at import, and the threshold is read at most once a minute.
"""

import json
import os
import time
from decimal import Decimal

import boto3

dynamodb = boto3.resource("dynamodb")
sns = boto3.client("sns")
ssm = boto3.client("ssm")

table = dynamodb.Table(os.environ["DYNAMODB_TABLE"])
topic_arn = os.environ["SNS_TOPIC_ARN"]
threshold_name = f"/fraud-detection/{os.environ['ENVIRONMENT']}/fraud_threshold"

_threshold = None
_threshold_read_at = 0


def fraud_threshold(now):
    global _threshold, _threshold_read_at
    if _threshold is None or now - _threshold_read_at >= 60:
        answer = ssm.get_parameter(Name=threshold_name)
        _threshold, _threshold_read_at = Decimal(answer["Parameter"]["Value"]), now
    return _threshold


def handle(event, context):
    transaction = json.loads(event["body"], parse_float=Decimal)
    amount = Decimal(transaction["amount"])
    is_suspicious = amount > 10000 or amount < 0
    fraud_score = Decimal("0.9") if is_suspicious else Decimal("0.1")
    now = int(time.time())
    table.put_item(
        Item={
            "transaction_id": transaction["transaction_id"],
            "timestamp": now,
            "user_id": transaction["user_id"],
            "amount": amount,
            "merchant": transaction.get("merchant", "Unknown"),
            "location": transaction.get("location", "Unknown"),
            "fraud_score": fraud_score,
            "is_suspicious": is_suspicious,
        }
    )
    alerted = fraud_score > fraud_threshold(now)
    if alerted:
        sns.publish(
            TopicArn=topic_arn,
            Subject="Fraud Alert - Suspicious Transaction Detected",
            Message=json.dumps(
                {
                    "transaction_id": transaction["transaction_id"],
                    "user_id": transaction["user_id"],
                    "amount": str(amount),
                    "fraud_score": float(fraud_score),
                    "timestamp": now,
                }
            ),
        )
    print(json.dumps({"event": "transaction_processed", "request_id": context.aws_request_id, "alerted": alerted}))
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(
            {
                "message": "Transaction processed successfully",
                "transaction_id": transaction["transaction_id"],
                "fraud_score": float(fraud_score),
                "is_suspicious": is_suspicious,
            }
        ),
    }
