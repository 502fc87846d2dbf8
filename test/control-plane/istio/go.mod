// Istio's API, for the definitions of its custom resources that come with it.
module consular.dev/control-plane/istio

go 1.26.0

require istio.io/api v1.31.1
