//! Policy templates: short names for common statements, as data.

use serde_json::{Map, Value, json};

use crate::error::TemplateError;

/// Template, its parameter (empty where it has none), actions and resources; `{}` in a resource is the parameter, which as
/// a whole is an ARN. Source: "SAM policy templates".
const TEMPLATES: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "DynamoDBCrudPolicy",
        "TableName",
        &[
            "dynamodb:GetItem",
            "dynamodb:DeleteItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:BatchGetItem",
            "dynamodb:DescribeTable",
            "dynamodb:ConditionCheckItem",
        ],
        &["dynamodb:table/{}", "dynamodb:table/{}/index/*"],
    ),
    (
        "DynamoDBReadPolicy",
        "TableName",
        &["dynamodb:GetItem", "dynamodb:Scan", "dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:DescribeTable"],
        &["dynamodb:table/{}", "dynamodb:table/{}/index/*"],
    ),
    (
        "DynamoDBWritePolicy",
        "TableName",
        &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"],
        &["dynamodb:table/{}", "dynamodb:table/{}/index/*"],
    ),
    ("LambdaInvokePolicy", "FunctionName", &["lambda:InvokeFunction"], &["lambda:function:{}*"]),
    ("SNSPublishMessagePolicy", "TopicName", &["sns:Publish"], &["sns:{}"]),
    (
        "SQSPollerPolicy",
        "QueueName",
        &[
            "sqs:ChangeMessageVisibility",
            "sqs:ChangeMessageVisibilityBatch",
            "sqs:DeleteMessage",
            "sqs:DeleteMessageBatch",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ],
        &["sqs:{}"],
    ),
    ("SQSSendMessagePolicy", "QueueName", &["sqs:SendMessage*"], &["sqs:{}"]),
    (
        "SSMParameterReadPolicy",
        "ParameterName",
        &["ssm:DescribeParameters", "ssm:GetParameters", "ssm:GetParameter", "ssm:GetParametersByPath"],
        &["ssm:parameter/{}"],
    ),
    ("StepFunctionsExecutionPolicy", "StateMachineName", &["states:StartExecution"], &["states:stateMachine:{}"]),
    ("EventBridgePutEventsPolicy", "EventBusName", &["events:PutEvents"], &["events:event-bus/{}"]),
    (
        "S3ReadPolicy",
        "BucketName",
        &[
            "s3:GetObject",
            "s3:ListBucket",
            "s3:GetBucketLocation",
            "s3:GetObjectVersion",
            "s3:GetLifecycleConfiguration",
        ],
        &["s3:{}", "s3:{}/*"],
    ),
    (
        "S3WritePolicy",
        "BucketName",
        &["s3:PutObject", "s3:PutObjectAcl", "s3:PutLifecycleConfiguration"],
        &["s3:{}", "s3:{}/*"],
    ),
    (
        "S3CrudPolicy",
        "BucketName",
        &[
            "s3:GetObject",
            "s3:ListBucket",
            "s3:GetBucketLocation",
            "s3:GetObjectVersion",
            "s3:PutObject",
            "s3:PutObjectAcl",
            "s3:GetLifecycleConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:DeleteObject",
        ],
        &["s3:{}", "s3:{}/*"],
    ),
    (
        "KinesisCrudPolicy",
        "StreamName",
        &[
            "kinesis:AddTagsToStream",
            "kinesis:CreateStream",
            "kinesis:DecreaseStreamRetentionPeriod",
            "kinesis:DeleteStream",
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetShardIterator",
            "kinesis:IncreaseStreamRetentionPeriod",
            "kinesis:ListTagsForStream",
            "kinesis:MergeShards",
            "kinesis:PutRecord",
            "kinesis:PutRecords",
            "kinesis:SplitShard",
            "kinesis:RemoveTagsFromStream",
        ],
        &["kinesis:stream/{}"],
    ),
    (
        "KinesisStreamReadPolicy",
        "StreamName",
        &["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator"],
        &["kinesis:stream/{}"],
    ),
    (
        "FirehoseWritePolicy",
        "DeliveryStreamName",
        &["firehose:PutRecord", "firehose:PutRecordBatch"],
        &["firehose:deliverystream/{}"],
    ),
    (
        "FirehoseCrudPolicy",
        "DeliveryStreamName",
        &[
            "firehose:CreateDeliveryStream",
            "firehose:DeleteDeliveryStream",
            "firehose:DescribeDeliveryStream",
            "firehose:PutRecord",
            "firehose:PutRecordBatch",
            "firehose:UpdateDestination",
        ],
        &["firehose:deliverystream/{}"],
    ),
    ("KMSDecryptPolicy", "KeyId", &["kms:Decrypt"], &["kms:key/{}"]),
    ("KMSEncryptPolicy", "KeyId", &["kms:Encrypt"], &["kms:key/{}"]),
    ("AWSSecretsManagerGetSecretValuePolicy", "SecretArn", &["secretsmanager:GetSecretValue"], &["{}"]),
    (
        "SNSCrudPolicy",
        "TopicName",
        &["sns:ListSubscriptionsByTopic", "sns:CreateTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Publish"],
        &["sns:{}*"],
    ),
    (
        "SESCrudPolicy",
        "IdentityName",
        &["ses:GetIdentityVerificationAttributes", "ses:SendEmail", "ses:SendRawEmail", "ses:VerifyEmailIdentity"],
        &["ses:identity/{}"],
    ),
    ("CloudWatchPutMetricPolicy", "", &["cloudwatch:PutMetricData"], &["*"]),
    (
        "VPCAccessPolicy",
        "",
        &[
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DetachNetworkInterface",
        ],
        &["*"],
    ),
];

/// What a list of policies comes to: ARNs of managed ones, and documents.
pub(super) fn split(policies: Option<&Value>, partition: &str) -> Result<(Vec<Value>, Vec<Value>), TemplateError> {
    let list = match policies {
        None => return Ok((Vec::new(), Vec::new())),
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    };
    let (mut managed, mut documents) = (Vec::new(), Vec::new());
    for policy in list {
        match &policy {
            Value::String(name) if name.starts_with("arn:") => managed.push(policy),
            Value::String(name) => managed.push(Value::from(format!("arn:{partition}:iam::aws:policy/{name}"))),
            Value::Object(map) if map.contains_key("Statement") => documents.push(policy),
            Value::Object(map) if map.len() == 1 => match map.iter().next() {
                Some((key, _)) if key == "Ref" || key.starts_with("Fn::") => managed.push(policy),
                Some((key, parameters)) => documents.push(document(key, parameters)?),
                None => {}
            },
            _ => return Err(TemplateError::new("Property 'Policies' has an entry that is no policy.")),
        }
    }
    Ok((managed, documents))
}

fn document(name: &str, parameters: &Value) -> Result<Value, TemplateError> {
    let unknown =
        || TemplateError::new(format!("Policy template '{name}' is not known here; write its statements out."));
    let (_, parameter, actions, resources) = TEMPLATES.iter().find(|(known, ..)| *known == name).ok_or_else(unknown)?;
    let statement = |resources: Vec<Value>| {
        Ok(json!({"Statement": [{"Effect": "Allow", "Action": actions, "Resource": resources}]}))
    };
    let Some(first) = parameter.get(..1) else {
        return statement(resources.iter().map(|resource| json!(resource)).collect());
    };
    let given = parameters.get(parameter).ok_or_else(|| {
        TemplateError::new(format!("Must specify valid parameter values for policy template '{name}'"))
    })?;
    let key = first.to_lowercase() + &parameter[1..];
    let arn = |form: &&str| {
        if *form == "{}" {
            return given.clone();
        }
        let (service, rest) = form.split_once(':').unwrap_or((form, ""));
        let rest = rest.replace("{}", &format!("${{{key}}}"));
        let place = if service == "s3" { ":" } else { "${AWS::Region}:${AWS::AccountId}" };
        let text = format!("arn:${{AWS::Partition}}:{service}:{place}:{rest}");
        json!({"Fn::Sub": [text, Map::from_iter([(key.clone(), given.clone())])]})
    };
    statement(resources.iter().map(arn).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_statements() {
        let (managed, documents) = split(
            Some(&json!(["AmazonS3ReadOnlyAccess", {"S3ReadPolicy": {"BucketName": {"Ref": "B"}}}, {"SNSPublishMessagePolicy": {"TopicName": "t"}}])),
            "aws",
        )
        .unwrap();
        assert_eq!(managed, [json!("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")]);
        let resource = |at: usize| documents[at]["Statement"][0]["Resource"][0]["Fn::Sub"].clone();
        assert_eq!(resource(0), json!(["arn:${AWS::Partition}:s3:::${bucketName}", {"bucketName": {"Ref": "B"}}]));
        assert_eq!(resource(1)[0], json!("arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${topicName}"));
        assert!(split(Some(&json!([{"NoPolicy": {}}])), "aws").is_err());
        let of =
            json!([{"VPCAccessPolicy": {}}, {"AWSSecretsManagerGetSecretValuePolicy": {"SecretArn": {"Ref": "S"}}}]);
        let (_, documents) = split(Some(&of), "aws").unwrap();
        let resources = documents.iter().map(|document| document["Statement"][0]["Resource"].clone());
        assert_eq!(resources.collect::<Vec<_>>(), [json!(["*"]), json!([{"Ref": "S"}])]);
    }
}
