resource "aws_cloudformation_stack" "topic" {
  name          = "topic"
  template_body = jsonencode({ Parameters = { Name = { Type = "String", Default = "birds" } }, Resources = { Topic = { Type = "AWS::SNS::Topic" } } })
  parameters    = { Name = var.edited ? "herons" : "birds" }
  tags          = { team = "birds" }
}

resource "aws_cloudformation_stack_set" "all" {
  name                    = "all"
  description             = var.edited ? "All accounts" : "Accounts"
  administration_role_arn = "arn:aws:iam::111122223333:role/stacks"
  template_body           = jsonencode({ Resources = { Topic = { Type = "AWS::SNS::Topic" } } })
}
