import { ACCOUNT } from './call.ts';

/** What `--help` prints. @param usages of all commands, as each of them says it */
export const help = (
  usages: readonly string[],
): string => `consular: a registrar between Kubernetes and Consul, in both directions

Usage:${usages.join('')}

Options:
  -c, --config FILE    the configuration; config/consular.yaml shows every setting
      --consul-address URL
                       Consul as it is reached from here, in place of consul.address; all but run
      --token-file PATH
                       file with the ACL token, in place of consul.tokenFile; "": CONSUL_HTTP_TOKEN; all but run
  -o, --output FORMAT  text (default) or json; all but run
      --take-over      run only: adopt what an installation of another Kubernetes cluster left under this cluster name
      --rename-from OLD
                       run only: the cluster was called OLD until now: first give everything its new name
      --account NAMESPACE/NAME
                       the daemon's service account, where it has another name than in the shipped manifests
                       (default ${ACCOUNT}): whether it may write what plan and explain consul-service show;
                       release and purge look for the Lease in its namespace, unless the configuration names
                       another; doctor does both, where it is not that account itself; all but run
      --timeout TIME   seconds that plan and explain wait for both systems, release for the leader, and purge for the
                       Lease of a leader that was killed (default 30)
      --direction DIRECTION
                       purge only: what is removed: instances and nodes in Consul (to-consul), objects in Kubernetes
                       (to-kubernetes), or both (default) and with them Consular's own entry, its key and its Lease
      --dry-run        purge only: show what would be removed, and remove nothing
      --yes CLUSTER    purge only: the name of the cluster, instead of typing it at the terminal
  -h, --help           this text
  -v, --version        the version

An option of another command is an error.

Environment: KUBECONFIG, CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_CACERT,
CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY are used where the configuration says nothing.

Exit codes: 0 done, nothing to do, or told to stop (SIGTERM, SIGINT); 1 an error, which is told on
standard error; 2 plan found changes, explain something that differs or is rejected, doctor warnings and
no error, nothing is retained under the hash that is to be released, or purge --dry-run found something to
remove. With purge 1 is also that something of Consular's is left.

Examples:
  consular run --config consular.yaml
  consular plan --config consular.yaml
  consular plan --config consular.yaml --consul-address http://127.0.0.1:8500 --token-file ~/.consul-token
  consular plan --config consular.yaml --output json | jq '.changes[] | select(.action == "remove")'
  consular explain pod shop/orders-1 --config consular.yaml
  consular explain service shop/orders --config consular.yaml --output json | jq .rejections
  consular explain consul-service billing --config consular.yaml
  consular release 4be2a9c1 --config consular.yaml
  kubectl -n consular exec deploy/consular -- consular doctor --config /etc/consular/consular.yaml
  consular doctor --config consular.yaml --output json | jq '.findings[] | select(.level == "error")'
  consular purge --config consular.yaml --dry-run
  consular purge --config consular.yaml --direction to-kubernetes --yes shop
  consular run --config consular.yaml --rename-from shop
  CONSUL_HTTP_ADDR=http://127.0.0.1:8500 KUBECONFIG=~/.kube/config consular run --config consular.yaml`;
