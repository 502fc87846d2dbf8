// What runs in a pod: node pod-app.js NAME ADDRESS PORT [CALLEE]. It answers as the Spring applications do, after CALLEE,
// the origin of a Service, has answered. Plain JavaScript, because it is a process of its own in another network.
import { createServer, get } from 'node:http';
import { text } from 'node:stream/consumers';

const [name, address, port, callee] = process.argv.slice(2);
const ANSWERS = { '/': `I am ${name}`, '/instance': `${name}@${address}:${port}` };

createServer((request, response) => {
  answer(request.url).then(
    (body) => response.end(body),
    (error) => response.writeHead(502).end(`${name}: ${error.message}`),
  );
}).listen(Number(port), address);

async function answer(path) {
  const own = ANSWERS[path];
  if (own === undefined) throw new Error(`expected one of ${Object.keys(ANSWERS).join()}, found ${path}`);
  return callee === undefined ? own : `${await ask(new URL(path, callee))}&&${own}`;
}

function ask(url) {
  return new Promise((resolve, reject) => {
    // A connection for each call: kube-proxy chooses an instance when a connection begins.
    get(url, { agent: false, timeout: 5_000 }, async (response) => {
      const body = await text(response);
      if (response.statusCode === 200) resolve(body);
      else reject(new Error(`expected 200 from ${url}, found ${response.statusCode}: ${body}`));
    })
      .on('timeout', function () {
        this.destroy(new Error(`expected an answer from ${url} within 5 s, found none`));
      })
      .on('error', reject);
  });
}
