// The limit of subscriptions: ws without GraphQL, one JSON text per event, shared by its subscribers.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { listen } from './data.mjs';
import { snapshot, subscribe } from './topics.mjs';

const server = createServer();
const texts = new WeakMap();

/** The message of an event. The subscription's id is the same on all sockets. */
function textOf(event) {
  let text = texts.get(event);
  if (!text) {
    text = Buffer.from(
      JSON.stringify({ id: '1', type: 'next', payload: { data: { trainingProgress: event } } }),
    );
    texts.set(event, text);
  }
  return text;
}

new WebSocketServer({ server, handleProtocols: () => 'graphql-transport-ws' }).on('connection', (socket) => {
  socket.on('message', (data) => {
    const { type, payload } = JSON.parse(data);
    if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
    if (type !== 'subscribe') return;
    const send = (event) => socket.send(textOf(event), { binary: false });
    socket.on('close', subscribe(payload.variables.id, send));
    send(snapshot());
  });
});
listen(server);
