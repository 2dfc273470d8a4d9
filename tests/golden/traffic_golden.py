#!/usr/bin/env python3
# The feature row worked out from its definition, slot by slot, without the product's code.
import math, struct
DAY=5760
N=DAY*7+2976
first=20000*DAY+17
def rate(i):
    r=100+50*math.sin(2*math.pi*i/DAY)+(i*7919)%13
    if i%240 in (100,101,102,103): r*=2.5   # a burst each hour
    return float(struct.unpack("f", struct.pack("f", r))[0])
x=[rate(i) for i in range(N)]
slow=None;since=0;bm=[0]*60;bx=[0]*60
l2=lambda i: .5*(x[i]+x[max(i-1,0)])
mnt=lambda s:(s%240)//4
for i in range(N):
    s=l2(i);since+=1
    size=s/slow if slow else 1
    if size>1.6: since=0
    size=math.log(size) if size>1.6 else 0
    m=mnt(first+i)
    bm[m]+=.01*(size-bm[m]); bx[m]=max(bx[m]*.995,size)
    slow=s if slow is None else slow+.02*(s-slow)
at=N-1;H=10
fl=.01*slow;lv=l2(at)
R=lambda v:max(-3,min(3,math.log((v+fl)/(lv+fl))))
mean=lambda a,b:sum(x[a:b])/(b-a)
row=[R(l2(at-k)) for k in (1,2,4,6,10,16,24,40,80,160,240)]
row+=[R(mean(at+1-k,at+1)) for k in (8,40,120)]
row+=[R(max(x[at-39:at+1])),R(min(x[at-39:at+1])),R(x[at])]
for d in (1,7):
    b=at-d*DAY
    before=R(mean(b-19,b+1));after=R(mean(b+1,b+21))
    row+=[R(max(x[b+1:b+1+H])),before,R(max(x[b-20:b+21])),after-before]
s=first+at
p=2*math.pi*(s%DAY)/DAY;q=2*math.pi*(s%240)/240
for k in (1,2,3): row+=[math.sin(k*p),math.cos(k*p)]
for k in (1,2): row+=[math.sin(k*q),math.cos(k*q)]
mins={mnt(s+k) for k in range(1,H+1)}
row+=[max(bm[m] for m in mins),max(bx[m] for m in mins),math.log(1+since/20)]
row+=[1 if k==mnt(s)%30 else 0 for k in range(30)]
assert len(row)==68
print(", ".join("%.6f"%v for v in row))
