resource "aws_resourcegroups_group" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"

  resource_query {
    query = jsonencode({ ResourceTypeFilters = ["AWS::EC2::Instance"], TagFilters = [{ Key = "team", Values = ["birds"] }] })
  }

  tags = { team = "birds" }
}
