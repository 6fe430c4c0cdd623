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

resource "aws_cloudformation_stack" "nest" {
  name               = "nest"
  capabilities       = ["CAPABILITY_NAMED_IAM"]
  timeout_in_minutes = 5
  on_failure         = "DELETE"
  policy_body        = jsonencode({ Statement = [{ Effect = "Allow", Action = "Update:*", Principal = "*", Resource = "*" }] })
  tags               = { team = var.edited ? "herons" : "birds" }
  template_body = jsonencode({
    Resources = {
      Role = {
        Type = "AWS::IAM::Role"
        Properties = {
          RoleName                 = "nest"
          AssumeRolePolicyDocument = { Version = "2012-10-17", Statement = [] }
          Policies                 = [{ PolicyName = "sing", PolicyDocument = { Version = "2012-10-17", Statement = [] } }]
        }
      }
      Queue = { Type = "AWS::SQS::Queue", Properties = { VisibilityTimeout = var.edited ? 60 : 45 } }
    }
    Outputs = { Queue = { Value = { "Fn::GetAtt" = ["Queue", "Arn"] }, Export = { Name = "nest-queue" } }, Role = { Value = { Ref = "Role" } } }
  })
}

resource "aws_sns_topic" "of_nest" {
  name         = "of-nest"
  display_name = aws_cloudformation_stack.nest.outputs["Role"]
}
