# What Consular may do in a Consul that denies by default. Replace `dev` by the setting `cluster`, and the names that its
# pods register; then, from the root of the repository,
#
#   consul acl policy create -name consular-dev -rules @deploy/consul/policy.hcl
#   consul acl token create -description "Consular of cluster dev" -policy-name consular-dev
#
# and after each change of this file, such as one more name of a service:
#
#   consul acl policy update -name consular-dev -rules @deploy/consul/policy.hcl
#
# Each rule is in use: test/slow/rights.test.ts takes them away one by one and names what breaks.

# Consul nodes that stand for the nodes of this cluster, and for no other: `--` is in no cluster's name. Nodes of agents,
# and those of other clusters, cannot be written or removed.
node_prefix "k8s-dev--" {
  policy = "write"
}

# Consular's own entry, by which the UI shows what it does, by which it holds the cluster's name, and by which it knows that
# nothing is hidden from it.
node "k8s-dev" {
  policy = "write"
}

service "consular" {
  policy = "write"
}

# The fence: only the holder of this key writes. What was sent earlier and arrives late, by this pod or by one that led before it,
# changes nothing. Without this rule from the start Consular writes unfenced and says so; then its nodes rest for 35 s after each
# write of which nobody knows what became of it. Taken away from a Consular that runs it stops all writes until it is back.
key "consular/dev/leader" {
  policy = "write"
}

# Where instances are. Consul silently leaves out what a token may not read, and Consular believes nothing that was filtered.
node_prefix "" {
  policy = "read"
}

# What is to be mirrored, and what others have registered already. For the same reason it is all names.
service_prefix "" {
  policy = "read"
}

# The names that pods of this cluster may register. Repeat it for each name (service "orders") or family of names
# (service_prefix "payments-"): an annotation with any other name is refused by Consul, told on the pod, and harms no other pod.
# The prefix "" would allow every name, and with it to overwrite any instance of any service, whoever registered it.
service_prefix "dev-" {
  policy = "write"
}

# The version of Consul, which decides how much goes into one transaction: 128 operations, and 64 without this rule, said in
# the log.
agent_prefix "" {
  policy = "read"
}
