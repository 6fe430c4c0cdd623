resource "aws_networkmanager_global_network" "birds" {
  description = var.edited ? "All birds" : "Birds"
  tags        = { team = "birds" }
}

resource "aws_networkmanager_site" "nest" {
  global_network_id = aws_networkmanager_global_network.birds.id
  description       = var.edited ? "The nest" : "Nest"
  tags              = { team = "birds" }
}
