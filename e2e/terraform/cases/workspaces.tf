resource "aws_workspaces_ip_group" "office" {
  name        = "office"
  description = "Office"

  rules {
    source      = var.edited ? "203.0.113.0/24" : "198.51.100.0/24"
    description = "Office"
  }

  tags = { team = "birds" }
}

resource "aws_workspacesweb_browser_settings" "plain" {
  browser_policy = jsonencode({ chromePolicies = { DefaultDownloadDirectory = { value = var.edited ? "/home/a" : "/home/b" } } })
  tags           = { team = "birds" }
}
