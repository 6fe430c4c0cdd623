locals {
  cidr  = var.environment.inputs.cidr
  zones = tonumber(var.environment.inputs.zones)
}

resource "terraform_data" "network" {
  input = {
    name = var.environment.name
    cidr = local.cidr
    tags = var.proton_tags
  }
}

resource "terraform_data" "subnet" {
  count = local.zones
  input = cidrsubnet(local.cidr, 8, count.index)

  # What is made of another network is made anew with it.
  triggers_replace = terraform_data.network.id
}
