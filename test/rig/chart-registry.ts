import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A registry on the loopback address with one chart, as far as Helm asks one (OCI distribution specification 1.1, pulling). */
export interface ChartRegistry {
  /** HOST:PORT, without TLS. */
  readonly address: string;
  close(): Promise<void>;
}

interface Content {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
}

/**
 * @param repository OWNER/consular/charts/consular
 * @param chart what `helm package` made
 */
export async function startChartRegistry(
  repository: string,
  { name, version }: { readonly name: string; readonly version: string },
  chart: Buffer,
): Promise<ChartRegistry> {
  const config = contentOf(
    'application/vnd.cncf.helm.config.v1+json',
    Buffer.from(JSON.stringify({ name, version, apiVersion: 'v2' })),
  );
  const layer = contentOf('application/vnd.cncf.helm.chart.content.v1.tar+gzip', chart);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const named = [config, layer].map(({ bytes: _, ...descriptor }) => descriptor);
  const manifest = contentOf(
    mediaType,
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: named[0], layers: named.slice(1) })),
  );
  const contents = new Map<string, Content>([
    [`/v2/${repository}/manifests/${version}`, manifest],
    [`/v2/${repository}/manifests/${manifest.digest}`, manifest],
    ...[config, layer].map((one): [string, Content] => [`/v2/${repository}/blobs/${one.digest}`, one]),
  ]);
  const server = createServer(({ method, url = '' }, response) => {
    const content = contents.get(url);
    if (content === undefined) {
      response.writeHead(url === '/v2/' ? 200 : 404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': content.mediaType,
      'content-length': content.size,
      'docker-content-digest': content.digest,
    });
    response.end(method === 'HEAD' ? undefined : content.bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function contentOf(mediaType: string, bytes: Buffer): Content {
  return { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length, bytes };
}
