resource "aws_codecommit_repository" "birds" {
  repository_name = "birds"
  description     = var.edited ? null : "Birds"
  tags            = { team = "birds" }
}

resource "aws_codecommit_approval_rule_template" "two" {
  name        = "two"
  description = var.edited ? "Two of us" : "Two"
  content     = jsonencode({ Version = "2018-11-08", DestinationReferences = ["refs/heads/main"], Statements = [{ Type = "Approvers", NumberOfApprovalsNeeded = 2 }] })
}
