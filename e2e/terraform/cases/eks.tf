# seconds: 200
resource "aws_eks_cluster" "birds" {
  name     = "birds"
  role_arn = "arn:aws:iam::111122223333:role/eks"
  version  = "1.31"

  vpc_config {
    subnet_ids              = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    endpoint_private_access = var.edited
  }

  tags = { team = "birds" }
}

resource "aws_eks_node_group" "small" {
  cluster_name    = aws_eks_cluster.birds.name
  node_group_name = "small"
  node_role_arn   = "arn:aws:iam::111122223333:role/nodes"
  subnet_ids      = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]

  scaling_config {
    desired_size = 1
    max_size     = var.edited ? 3 : 2
    min_size     = 1
  }
}
