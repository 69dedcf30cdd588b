// SPDX-License-Identifier: Apache-2.0
const express = require('express'), fs = require('fs'), crypto = require('crypto');
const app = express();
app.get('/', (q, r) => r.send('page of node\n'));
app.get('/file', (q, r) => fs.readFile('/etc/debian_version', 'utf8', (e, t) => r.send(t)));
app.get('/hash', (q, r) => crypto.pbkdf2('a', 'b', 1000, 32, 'sha256', (e, k) => r.send(k.toString('hex') + '\n')));
process.on('SIGTERM', () => { console.log('bye'); process.exit(0); });
app.listen(3000, () => console.log('listens'));
