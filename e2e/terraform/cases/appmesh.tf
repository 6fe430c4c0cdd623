resource "aws_appmesh_mesh" "birds" {
  name = "birds"

  spec {
    egress_filter {
      type = var.edited ? "DROP_ALL" : "ALLOW_ALL"
    }
  }

  tags = { team = "birds" }
}

resource "aws_appmesh_virtual_node" "heron" {
  name      = "heron"
  mesh_name = aws_appmesh_mesh.birds.name

  spec {
    listener {
      port_mapping {
        port     = var.edited ? 8081 : 8080
        protocol = "http"
      }
    }

    service_discovery {
      dns {
        hostname = "heron.birds.local"
      }
    }
  }
}

resource "aws_appmesh_virtual_service" "heron" {
  name      = "heron.birds.local"
  mesh_name = aws_appmesh_mesh.birds.name

  spec {
    provider {
      virtual_node {
        virtual_node_name = aws_appmesh_virtual_node.heron.name
      }
    }
  }
}
