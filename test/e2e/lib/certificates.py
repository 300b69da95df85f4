"""certificates - a certificate authority in a folder, by the openssl program: whom it signs for, as what, and until when."""
import os
import subprocess


def openssl(*args, **kw):
    done = subprocess.run(["openssl", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **kw)
    if done.returncode:
        raise RuntimeError("openssl %s: %s" % (" ".join(args), done.stdout.decode(errors="replace")))
    return done.stdout


class Certificate:
    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def der(self):
        return openssl("x509", "-in", self.cert, "-outform", "DER")


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder = os.path.join(folder, name)
        os.makedirs(os.path.join(self.folder, "signed"))
        self.cert = os.path.join(self.folder, "ca.pem")
        self.key = os.path.join(self.folder, "ca.key")
        self.count = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
                "-out", self.cert, "-subj", "/CN=" + name, "-days", "30", "-addext", "keyUsage=critical,keyCertSign")
        with open(os.path.join(self.folder, "ca.conf"), "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s/signed\ndefault_md=sha256\n"
                    "policy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n" % ((self.folder,) * 3))
        open(os.path.join(self.folder, "index"), "w").close()
        with open(os.path.join(self.folder, "serial"), "w") as f:
            f.write("1000\n")

    def sign(self, names="DNS:localhost,IP:127.0.0.1", purpose="serverAuth", start=None, end=None, passphrase=None):
        """`start` and `end` as YYYYMMDDHHMMSSZ; without them it holds from now for 20 days."""
        self.count += 1
        stem = os.path.join(self.folder, "%d" % self.count)
        extensions = ["-addext", "extendedKeyUsage=" + purpose] + (["-addext", "subjectAltName=" + names] if names else [])
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", stem + ".key", "-out", stem + ".csr",
                "-subj", "/CN=%d" % self.count, *extensions, *(["-passout", "pass:" + passphrase] if passphrase else ["-nodes"]))
        openssl("ca", "-batch", "-notext", "-config", os.path.join(self.folder, "ca.conf"), "-cert", self.cert, "-keyfile", self.key,
                "-in", stem + ".csr", "-out", stem + ".pem",
                *(["-startdate", start, "-enddate", end] if end else ["-days", "20"]))
        os.chmod(stem + ".key", 0o600)
        return Certificate(stem + ".pem", stem + ".key")

    def expired(self, **kw):
        return self.sign(start="20200101000000Z", end="20200201000000Z", **kw)
