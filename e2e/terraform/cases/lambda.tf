resource "aws_lambda_function" "heron" {
  function_name = "heron"
  role          = "arn:aws:iam::111122223333:role/lambda"
  handler       = "index.handler"
  runtime       = "python3.12"
  s3_bucket     = "bundles"
  s3_key        = "heron.zip"
  memory_size   = var.edited ? 256 : 128
  description   = var.edited ? null : "A heron"

  environment {
    variables = { STAGE = var.edited ? "prod" : "test" }
  }

  tags = { team = "birds" }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = var.edited ? "Live again" : "Live"
  function_name    = aws_lambda_function.heron.function_name
  function_version = "$LATEST"
}

resource "aws_lambda_permission" "events" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.heron.function_name
  principal     = "events.amazonaws.com"
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn = "arn:aws:sqs:us-east-1:111122223333:birds"
  function_name    = aws_lambda_function.heron.arn
  batch_size       = var.edited ? 5 : 10
}

resource "aws_lambda_function_url" "heron" {
  function_name      = aws_lambda_function.heron.function_name
  authorization_type = var.edited ? "AWS_IAM" : "NONE"
}
