# timeout: 120
# long: yes
# Terminals: controlling terminals, job control, keys and signals, hang-ups, ioctls.
cat > /tmp/t.py <<'PY'
import os,fcntl,termios,struct,signal,time,select,errno,tty
def e(f,*a):
    try: return f(*a)
    except (OSError,termios.error) as x: return errno.errorcode.get(x.args[0],x.args[0])
def pair():
    m,s=os.openpty(); return m,s
def rd(fd,t=0.5):
    r,_,_=select.select([fd],[],[],t)
    return e(os.read,fd,4096) if r else None
def session(fn):
    m,s=pair(); r,w=os.pipe()
    pid=os.fork()
    if pid==0:
        os.close(m); os.close(r)
        def say(*a): os.write(w,(' '.join(map(str,a))+'\n').encode())
        try: fn(s,say)
        except BaseException as x: say('EXC',repr(x))
        os._exit(0)
    os.close(s); os.close(w)
    return pid,m,r
# 120 s and more are guards against hanging; nothing here waits for a time to pass.
early={}
def await_(r,text,count=1): # until the session has said so
    while early.setdefault(r,b'').count(text)<count:
        a,_,_=select.select([r],[],[],120)
        d=os.read(r,4096) if a else b''
        if not d: break
        early[r]+=d
def finish(name,pid,m,r,close_m=True,act=None):
    if act: act(m)
    out=early.pop(r,b'')
    end=time.time()+120
    while time.time()<end:
        a,_,_=select.select([r],[],[],0.3)
        if a:
            d=os.read(r,4096)
            if not d: break
            out+=d
    for _ in range(2400):
        p,st=os.waitpid(pid,os.WNOHANG)
        if p: break
        time.sleep(0.05)
    else: os.kill(pid,9); os.waitpid(pid,0); st='killed'
    print(name,'|',out.decode().replace('\n',' ; '),'| status',st)
    os.close(r); 
    if close_m: e(os.close,m)
# 1 controlling terminal by open
def f(s,say):
    say('devtty0',e(os.open,'/dev/tty',os.O_RDWR) if os.setsid() is None else '')
    n=os.ttyname(s)
    a=os.open(n,os.O_RDWR|os.O_NOCTTY); say('noctty',e(os.open,'/dev/tty',os.O_RDWR)); 
    b=os.open(n,os.O_RDWR); t=e(os.open,'/dev/tty',os.O_RDWR); say('ctty',type(t)==int)
    say('pgrp',e(os.tcgetpgrp,t)==os.getpgrp(),'sid',struct.unpack('i',fcntl.ioctl(t,0x5429,b'    '))[0]==os.getsid(0))
    say('sctty again',e(fcntl.ioctl,s,termios.TIOCSCTTY,0))
    m2,s2=pair(); say('sctty other',e(fcntl.ioctl,s2,termios.TIOCSCTTY,0)); say('gpgrp other',e(os.tcgetpgrp,s2))
    say('set pgrp neg',e(os.tcsetpgrp,t,-1),'none',e(os.tcsetpgrp,t,999999),'init',e(os.tcsetpgrp,t,1))
finish('ctty',*session(f))
# 2 not a leader
def f(s,say):
    os.setsid()
    pid=os.fork()
    if pid==0:
        say('child sctty',e(fcntl.ioctl,s,termios.TIOCSCTTY,0)); os._exit(0)
    os.waitpid(pid,0)
    fcntl.ioctl(s,termios.TIOCSCTTY,0)
    pid=os.fork()
    if pid==0:
        t=os.open('/dev/tty',os.O_RDWR); say('notty',e(fcntl.ioctl,t,termios.TIOCNOTTY)); say('devtty',e(os.open,'/dev/tty',os.O_RDWR)); os._exit(0)
    os.waitpid(pid,0); say('parent still',type(e(os.open,'/dev/tty',os.O_RDWR))==int)
    signal.signal(signal.SIGHUP,lambda *a: say('HUP')); signal.signal(signal.SIGCONT,lambda *a: say('CONT'))
    say('leader notty',e(fcntl.ioctl,s,termios.TIOCNOTTY)); say(e(os.open,'/dev/tty',os.O_RDWR))
finish('notty',*session(f))
# 3 background read and write
def f(s,say):
    os.setsid(); fcntl.ioctl(s,termios.TIOCSCTTY,0)
    def bg(name,fn,pre=None):
        pid=os.fork()
        if pid==0:
            os.setpgid(0,0)
            if pre: pre()
            say(name,'->',e(fn)); os._exit(0)
        for _ in range(2400):
            p,st=os.waitpid(pid,os.WUNTRACED|os.WNOHANG)
            if p: break
            time.sleep(0.05)
        if p==0: say(name,'hangs'); os.kill(pid,9); os.waitpid(pid,0); return
        if os.WIFSTOPPED(st):
            say(name,'stopped by',os.WSTOPSIG(st)); os.kill(pid,9); os.waitpid(pid,0)
    bg('read',lambda: os.read(s,1))
    bg('read ign',lambda: os.read(s,1),lambda: signal.signal(signal.SIGTTIN,signal.SIG_IGN))
    bg('read blk',lambda: os.read(s,1),lambda: signal.pthread_sigmask(signal.SIG_BLOCK,[signal.SIGTTIN]))
    bg('write',lambda: os.write(s,b'x'))
    bg('setattr',lambda: termios.tcsetattr(s,termios.TCSANOW,termios.tcgetattr(s)))
    bg('setpgrp',lambda: os.tcsetpgrp(s,os.getpgrp()))
    bg('setpgrp ign',lambda: os.tcsetpgrp(s,os.getpgrp()),lambda: signal.signal(signal.SIGTTOU,signal.SIG_IGN))
    signal.signal(signal.SIGTTOU,signal.SIG_IGN)
    os.tcsetpgrp(s,os.getpgrp())
    a=termios.tcgetattr(s); a[3]|=termios.TOSTOP; termios.tcsetattr(s,termios.TCSANOW,a)
    signal.signal(signal.SIGTTOU,signal.SIG_DFL)
    bg('write tostop',lambda: os.write(s,b'x'))
    bg('write tostop ign',lambda: os.write(s,b'x'),lambda: signal.signal(signal.SIGTTOU,signal.SIG_IGN))
finish('background',*session(f))
# 4 orphaned group
def f(s,say):
    os.setsid(); fcntl.ioctl(s,termios.TIOCSCTTY,0)
    a,b=os.pipe()
    pid=os.fork()
    if pid==0:
        os.setpgid(0,0)
        parent=os.getpid()
        if os.fork()==0:
            while os.getppid()==parent: time.sleep(0.01)
            say('orphan read',e(os.read,s,1)); say('orphan setattr',e(termios.tcflush,s,termios.TCIFLUSH)); os._exit(0)
        os._exit(0)
    os.close(b); os.waitpid(pid,0); os.read(a,1) # until the orphan has ended
finish('orphan',*session(f))
# 5 signals from keys
def f(s,say):
    os.setsid(); fcntl.ioctl(s,termios.TIOCSCTTY,0)
    for n in ('INT','QUIT','TSTP','WINCH'):
        signal.signal(getattr(signal,'SIG'+n),lambda sg,fr: (say(signal.Signals(sg).name),got.append(sg)))
    got=[]
    say('ready')
    while len(got)<5: time.sleep(0.1)
    say('read',e(os.read,s,100))
def act(m):
    await_(r,b'ready')
    for b,name in ((b'\x03',b'SIGINT'),(b'\x1c',b'SIGQUIT'),(b'\x1a',b'SIGTSTP')): os.write(m,b); await_(r,name)
    fcntl.ioctl(m,termios.TIOCSWINSZ,struct.pack('HHHH',9,9,0,0)); await_(r,b'SIGWINCH')
    fcntl.ioctl(m,0x40045436,2); await_(r,b'SIGINT',2); os.write(m,b'line\n')
pid,m,r=session(f); finish('keys',pid,m,r,act=act)
# 6 hang-up by master close
def f(s,say):
    os.setsid(); fcntl.ioctl(s,termios.TIOCSCTTY,0)
    signal.signal(signal.SIGHUP,lambda *a: say('HUP')); signal.signal(signal.SIGCONT,lambda *a: say('CONT'))
    say('ready'); say('read',e(os.read,s,10) in (b'','EIO')); time.sleep(0.2); say('write',e(os.write,s,b'x')); say('devtty',e(os.open,'/dev/tty',os.O_RDWR)); say('open',e(os.open,'/proc/self/fd/%d'%s,os.O_RDWR))
# The read ends with EIO when it slept by then, with nothing when it had not begun.
pid,m,r=session(f); await_(r,b'ready'); os.close(m); finish('hangup',pid,-1,r)
# 7 leader exit: HUP to the foreground group
def f(s,say):
    os.setsid(); fcntl.ioctl(s,termios.TIOCSCTTY,0)
    a,b=os.pipe()
    pid=os.fork()
    if pid==0:
        os.setpgid(0,0); signal.signal(signal.SIGTTOU,signal.SIG_IGN); os.tcsetpgrp(s,os.getpgrp())
        signal.signal(signal.SIGHUP,lambda *a: (say('fg HUP'),got.append(1))); signal.signal(signal.SIGCONT,lambda *a: (say('fg CONT'),got.append(1)))
        got=[]
        os.write(b,b'x')
        while not got: time.sleep(0.01)
        while type(e(os.open,'/dev/tty',os.O_RDWR))==int: time.sleep(0.01) # it goes after the signals
        say('devtty',e(os.open,'/dev/tty',os.O_RDWR)); say('read',e(os.read,s,1) if 0 else ''); os._exit(0)
    os.read(a,1)
finish('leader exit',*session(f))
# 8 stopped orphan gets HUP and CONT
def f(s,say):
    os.setsid(); fcntl.ioctl(s,termios.TIOCSCTTY,0)
    a,b=os.pipe()
    mid=os.fork()
    if mid==0:
        pid=os.fork()
        if pid==0:
            os.setpgid(0,0)
            signal.signal(signal.SIGHUP,lambda *a: say('HUP')); signal.signal(signal.SIGCONT,lambda *a: say('CONT'))
            os.kill(os.getpid(),signal.SIGSTOP); time.sleep(0.3); os._exit(0)
        os.waitpid(pid,os.WUNTRACED); os._exit(0)
    os.close(b); os.waitpid(mid,0); os.read(a,1)
finish('stopped orphan',*session(f))
# 9 ioctls
m,s=pair()
def io(fd,c,a=b'    '): return e(fcntl.ioctl,fd,c,a)
for n,c in (('STI m',0x5412),('SETD',0x5423),('GETD',0x5424),('EXCL',0x540c),('GEXCL',0x80045440),('NXCL',0x540d),('CONS',0x541d),('GPKT',0x80045438),('GPTLCK',0x80045439),('SOFTCAR',0x5419),('OUTQ',0x5411),('INQ',0x541b),('SBRK',0x5409),('SBRKP',0x5425),('KD',0x4b33),('SERIAL',0x541e)):
    if n in('CONS','STI m'): continue
    print(n,io(s,c),io(m,c))
print('sig bad',e(fcntl.ioctl,m,0x40045436,9),e(fcntl.ioctl,s,0x40045436,2))
print('peer',type(e(fcntl.ioctl,m,0x5441,os.O_RDWR|os.O_NOCTTY))==int,e(fcntl.ioctl,s,0x5441,os.O_RDWR))
print(termios.tcgetattr(s)[:6]); print(termios.tcgetattr(m)[:6]==termios.tcgetattr(s)[:6])
a=termios.tcgetattr(s); a[2]=termios.CS5|termios.PARENB|termios.B9600; a[4]=a[5]=termios.B9600; termios.tcsetattr(s,termios.TCSADRAIN,a); print(oct(termios.tcgetattr(s)[2]),termios.tcgetattr(s)[4:6])
print(len(fcntl.ioctl(s,0x802c542a,b'\0'*44)), struct.unpack('II',fcntl.ioctl(s,0x802c542a,b'\0'*44)[36:]))
print('flow bad',e(termios.tcflow,s,7),'flush bad',e(termios.tcflush,s,7))
st=os.fstat(s); print(oct(st.st_mode),os.major(st.st_rdev), os.fstat(m).st_rdev==os.makedev(5,2))
print('seek',e(os.lseek,s,0,0)); print('pread',e(os.pread,s,1,0))
print(os.ttyname(s)=='/dev/pts/%d'%struct.unpack('i',fcntl.ioctl(m,0x80045430,b'    '))[0], e(os.ttyname,m))
PY
python3 /tmp/t.py 2>&1
