// Publishes through an x-delayed-message exchange: what is due first comes first.
'use strict';
const { assert, consumer, privateQueue, story, unique } = require('./support');

story(async (connection) => {
  const channel = await connection.createConfirmChannel();
  const exchange = unique('delayed'), queue = await privateQueue(channel);
  const options = { durable: true, arguments: { 'x-delayed-type': 'direct' } };
  await channel.assertExchange(exchange, 'x-delayed-message', options);
  await channel.bindQueue(queue, exchange, 'k');
  for (const [delay, body] of [[300, 'last'], [150, 'second'], [0, 'first']]) {
    const sent = { persistent: true, headers: { 'x-delay': delay } };
    channel.publish(exchange, 'k', Buffer.from(body), sent);
  }
  await channel.waitForConfirms(); // confirmed when it is kept, long before it is due
  const messages = await consumer(channel, queue, { noAck: true });
  for (const [body, delay] of [['first', 0], ['second', -150], ['last', -300]]) {
    const message = await messages.next();
    assert.equal(message.content.toString(), body);
    assert.equal(message.properties.headers['x-delay'], delay);
  }
  await channel.deleteExchange(exchange);
});
