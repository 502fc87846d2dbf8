// The Prometheus operator, for the definitions of its custom resources that come with it.
module consular.dev/control-plane/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.92.0
