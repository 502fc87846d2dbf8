// The web server of a pretended Spring Boot application: node spring-app.js NAME PORT. Plain JavaScript, because it is
// a process of its own, which the demo can really kill.
import { createServer } from 'node:http';

const [name, port] = process.argv.slice(2);
createServer((request, response) => {
  if (request.url === '/actuator/health') {
    response.writeHead(200, { 'content-type': 'application/vnd.spring-boot.actuator.v3+json' });
    response.end(JSON.stringify({ status: 'UP' }));
  } else if (request.url === '/') {
    response.end(`I am ${name}`);
  } else {
    response.writeHead(404).end();
  }
}).listen(Number(port), '127.0.0.1');
