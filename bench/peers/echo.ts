import uWS from 'uWebSockets.js';
import { ready } from './ready.ts';

/** What WebSockets alone cost: a bare uWebSockets.js that sends back what it gets. */
uWS
  .App()
  .ws('/*', {
    idleTimeout: 0,
    message: (socket, message, isBinary) => {
      socket.send(message, isBinary);
    },
  })
  .listen('127.0.0.1', 0, (listening) => {
    if (!listening) throw new Error('no port to listen on');
    ready(uWS.us_socket_local_port(listening));
  });
