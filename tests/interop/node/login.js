// Is refused with a wrong password (403) and with an unknown virtual host (530).
'use strict';
const { amqp, assert, story } = require('./support');

story(async (connection) => {
  const { version, capabilities } = connection.connection.serverProperties;
  assert.match(version, /^\d+\.\d+\.\d+/);
  for (const name of ['basic.nack', 'connection.blocked', 'consumer_cancel_notify', 'publisher_confirms',
    'consumer_priorities', 'per_consumer_qos', 'direct_reply_to', 'exchange_exchange_bindings']) {
    assert.equal(capabilities[name], true, name);
  }
  const url = new URL(process.env.AMQP_URL);
  url.password = 'wrong';
  await assert.rejects(amqp.connect(url.href), /403 \(ACCESS[-_]REFUSED\).*ACCESS_REFUSED - Login was refused/s);
  url.password = new URL(process.env.AMQP_URL).password;
  url.pathname = '/nowhere';
  await assert.rejects(amqp.connect(url.href), /ConnectionClose/); // it hides the 530
});
