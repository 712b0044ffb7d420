// Sends all properties with a header of every type that amqplib writes, and receives the same.
'use strict';
const { assert, privateQueue, story } = require('./support');
const typed = (type, value) => ({ '!': type, value });

// What is written, and what this client reads of it. It reads all widths as plain numbers.
const HEADERS = {
  boolean: [true, true],
  int8: [typed('int8', -128), -128],
  uint8: [typed('uint8', 255), 255],
  int16: [typed('int16', -32_768), -32_768],
  uint16: [typed('uint16', 65_535), 65_535],
  int32: [typed('int32', -(2 ** 31)), -(2 ** 31)],
  uint32: [typed('uint32', 2 ** 32 - 1), 2 ** 32 - 1],
  int64: [typed('int64', 2 ** 53 - 1), 2 ** 53 - 1],
  float: [typed('float', 1.5), 1.5],
  double: [Math.PI, Math.PI],
  decimal: [typed('decimal', { places: 2, digits: 12_345 }), typed('decimal', { places: 2, digits: 12_345 })],
  timestamp: [typed('timestamp', 1_700_000_000), typed('timestamp', 1_700_000_000)],
  text: ['grüße ☃', 'grüße ☃'],
  bytes: [Buffer.from([0, 255, 206]), Buffer.from([0, 255, 206])],
  void: [null, null],
  array: [['a', 1, [true, null], { deep: 'er' }], ['a', 1, [true, null], { deep: 'er' }]],
  table: [{ a: { b: { c: 1 } } }, { a: { b: { c: 1 } } }],
};
const PROPERTIES = {
  contentType: 'application/json', contentEncoding: 'gzip', deliveryMode: 2, priority: 9,
  correlationId: 'correlation', replyTo: 'reply to', expiration: '3600000', messageId: 'message id',
  timestamp: 1_700_000_000, type: 'type', userId: new URL(process.env.AMQP_URL).username, appId: 'app id',
};

story(async (connection) => {
  const channel = await connection.createChannel();
  const queue = await privateQueue(channel);
  const column = (n) => Object.fromEntries(Object.entries(HEADERS).map(([name, pair]) => [name, pair[n]]));
  channel.sendToQueue(queue, Buffer.alloc(0), { ...PROPERTIES, headers: column(0) });
  const { properties } = await channel.get(queue, { noAck: true });
  assert.deepEqual({ ...properties.headers }, column(1));
  for (const [name, value] of Object.entries(PROPERTIES)) assert.deepEqual(properties[name], value, name);
});
