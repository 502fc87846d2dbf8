import * as z from 'zod';
import { text } from './values.ts';

function isHttpUrl(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
}

const HTTP_URL = 'an http or https URL without credentials';

/** Paths are put behind it; links with secrets in them would be shown to everybody. */
function isUiUrl(address: string): boolean {
  return address === '' || (isHttpUrl(address) && !/[?#]/.test(address));
}

const UI_URL = `${HTTP_URL}, query and fragment`;
const httpUrl = text(HTTP_URL, isHttpUrl);

/** Consul's own secrets are UUIDs, those of others at times JWTs: neither may be shown as the path of a file that is not there. */
function isToken(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) || /^eyJ[\w-]+(\.[\w-]+){2}$/.test(text);
}

/** Settings of how Consul is reached. */
export const consul = z
  .strictObject({
    address: z
      .union([httpUrl, z.array(httpUrl).min(1)], {
        error: ({ input }) => (Array.isArray(input) ? 'a list of http or https URLs without credentials' : HTTP_URL),
      })
      .default('http://127.0.0.1:8500')
      .describe(
        'Address of Consul servers, or of a load balancer in front of them. A list: when one fails, the next is used. Not set: CONSUL_HTTP_ADDR.',
      ),
    uiUrl: text(UI_URL, isUiUrl)
      .default('')
      .describe(
        'Address of the UI of Consul with its datacenter, such as https://consul.example.com/ui/dc1, for links on the status page. Empty: no links.',
      ),
    datacenter: z.string().default('').describe('Datacenter to register in. Empty: the one that answers.'),
    tokenFile: z
      .string()
      .refine((path) => !isToken(path), 'the path of a file with the token')
      .default('')
      .describe('File with the ACL token. Consular reads it again when it changes.'),
    login: z
      .strictObject({
        authMethod: z
          .string()
          .default('')
          .describe('Auth method of Consul that exchanges a Kubernetes token for a Consul token. Empty: no login.'),
        bearerTokenFile: z
          .string()
          .default('/var/run/secrets/kubernetes.io/serviceaccount/token')
          .describe('File with the Kubernetes token. Consular reads it again at each login.'),
        meta: z
          .record(z.string(), z.string())
          .default({})
          .describe('Keys and values that Consul adds to the description of the token.'),
      })
      .prefault({}),
    caFile: z
      .string()
      .default('')
      .describe('File with CA certificates. One of them must have signed the certificate of Consul.'),
    certFile: z.string().default('').describe('File with the client certificate for TLS.'),
    keyFile: z.string().default('').describe('File with the key of the client certificate.'),
    serverName: z
      .string()
      .default('')
      .describe('Name expected in the certificate of Consul, if it is not the host of the address.'),
  })
  .prefault({});
