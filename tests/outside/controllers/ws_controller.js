// A controller on ws for Node; `controllers/README.md` has the protocol with the runner.
'use strict';

const fs = require('fs');
const http = require('http');
const https = require('https');
const readline = require('readline');
const { WebSocketServer } = require('ws');

const bytes = (text) => Buffer.from(text, 'base64');
const report = (what) => console.log(JSON.stringify(what));
const sockets = new WebSocketServer({ noServer: true });
let options;
let answer = 101;
let socket;

const subscribe = (request, connection, head) => {
  report({
    subscribed: request.url,
    authorization: request.headers.authorization ?? null,
    protocol: request.headers['sec-websocket-protocol'] ?? null,
  });
  if (answer !== 101) {
    const status = `${answer} ${http.STATUS_CODES[answer]}`;
    connection.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    return;
  }
  sockets.handleUpgrade(request, connection, head, (opened) => {
    for (const message of options.replay) {
      opened.send(bytes(message), { binary: false });
    }
    opened.on('pong', () => report({ pong: true }));
    opened.on('close', (code) => report({ ended: code }));
    socket = opened;
  });
};

const serve = () => {
  const identity = options.identity && fs.readFileSync(options.identity);
  const server = identity
    ? https.createServer({ cert: identity, key: identity })
    : http.createServer();
  server.on('upgrade', subscribe);
  server.listen(options.port, options.host, () => report({ listening: server.address().port }));
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (!options) {
    options = command;
    serve();
  } else if ('answer' in command) {
    answer = command.answer;
    report({ answering: answer });
  } else if ('text' in command) {
    socket.send(bytes(command.text), { binary: false });
  } else if ('fragments' in command) {
    command.fragments.forEach((part, at, all) => {
      socket.send(bytes(part), { binary: false, fin: at + 1 === all.length });
    });
  } else if ('binary' in command) {
    socket.send(bytes(command.binary));
  } else if ('ping' in command) {
    socket.ping();
  } else if ('close' in command) {
    socket.close(...command.close);
  } else if ('abort' in command) {
    socket.terminate();
  }
}).on('close', () => process.exit());
