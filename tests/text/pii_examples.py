"""Strings that are personal data by their shape, and strings that only look like it; all of them made up, or published as examples."""

from __future__ import annotations

import re

A = "a1B2c3D4e5F6g7H8i9J0"  # keys are put together here, so that no scanner takes this file for a leak
HEX = "0123456789abcdef" * 4


def _lines(block: str) -> list[str]:
    return [line.strip() for line in block.strip().split("\n")]


def _words(block: str) -> list[str]:
    return re.split(r"\s{2,}|\n\s*", block.strip())


POSITIVES = {
    "EMAIL": [
        *_words("""
        ana@example.com  a.b+c@sub.example.co.uk  ANA@EXAMPLE.ORG  o'neil@example.ie  x_1-2@ex-ample.com  jörg@müller.de  1234@example.io
        a@b.cd  first.last@xn--bcher-kva.example  me@example.museum  ana%x@mail.example.net  user@例え.jp  ana+news+2026@example.com
        "ana berg"@example.com  "a.b"@mail.example.org  пётр@пример.рф  maría.josé@correo.es  用户@例子.广告  a&b@firm.example
        support@eu-west-1.mail.example.com  ana@xn--fsqu00a.xn--0zwm56d  ana_@example.dev  x=y@example.net
        no-reply@a.b.c.d.example  ana@1a.example  ana@4.example.com  f.l-n_o@example.international
        """),
    ],
    "PHONE": [
        *_lines("""
        +49 30 901820
        +1 (415) 555-2671
        +14155552671
        (415) 555-2671
        415-555-2671
        415.555.2671
        1-415-555-2671
        1 415-555-2671
        030 901820-12
        0171 2345678
        0171-2345678
        030/90182012
        0049 30 901820
        +44 20 7946 0958
        +44 (0)20 7946 0958
        +33 1 23 45 67 89
        01 23 45 67 89
        (030) 9018 2012
        07911 123456
        +86 138 0013 8000
        +91-98765-43210
        415 555 2671
        01712345678
        +61 2 9374 4000
        +61 412 345 678
        +81 3-1234-5678
        +82 2-312-3456
        +55 11 91234-5678
        +52 55 1234 5678
        +34 912 345 678
        +39 06 698 12345
        +31 20 123 4567
        +32 2 555 12 12
        +41 44 668 18 00
        +43 1 58058-0
        +45 33 12 34 56
        +46 8 123 456 78
        +47 22 12 34 56
        +48 22 123 45 67
        +351 21 123 4567
        +353 1 234 5678
        +358 9 1234567
        +420 222 333 444
        +7 495 123-45-67
        +90 212 123 45 67
        +972 3-123-4567
        +971 4 123 4567
        +966 11 123 4567
        +27 21 123 4567
        +234 803 123 4567
        +254 712 345678
        +20 2 12345678
        +62 21 1234567
        +65 6123 4567
        +64 9 123 4567
        +380 44 123 45 67
        +30 21 0123 4567
        +36 1 234 5678
        +40 21 123 4567
        +54 11 4123-4567
        +56 2 2123 4567
        0031 20 123 4567
        0033 1 23 45 67 89
        06 12 34 56 78
        040/1234567
        02 9374 4000
        """),
    ],
    "CARD": [
        *_lines("""
        4111111111111111
        4111 1111 1111 1111
        4111-1111-1111-1111
        5555555555554444
        5500 0000 0000 0004
        378282246310005
        3782 822463 10005
        6011111111111117
        3530111333300000
        30569309025904
        4222222222222
        2223003122003222
        3432 875696 78849
        4238 4127 6096 1386
        5104-9706-6045-2853
        4238412760961386
        4621170235957741155
        4990055012411
        5104970660452853
        5531594862641932
        2221781641988534
        2720338967422907
        343287569678849
        376864199511697
        36647413799723
        38196737409443
        30012930076863
        6011966020667131
        6522519550450949
        6447503604013590
        3528717606047823
        3589632681111301
        6235578063151731
        6262525585127152532
        62127849784816132
        2200119345322988
        2204123553126038
        5018440575584591
        6304791534973973
        6759435171872524
        5893050940345428
        6761972258598834
        """),
    ],
    "IBAN": [
        *_lines("""
        DE89370400440532013000
        DE89 3704 0044 0532 0130 00
        GB29NWBK60161331926819
        GB29 NWBK 6016 1331 9268 19
        FR1420041010050500013M02606
        FR14 20041 01005 0500013M026 06
        CH9300762011623852957
        NL91ABNA0417164300
        AT611904300234573201
        BE68539007547034
        ES9121000418450200051332
        IT60X0542811101000000123456
        SE4550000000058398257466
        NO9386011117947
        de89370400440532013000
        de89 3704 0044 0532 0130 00
        MT84MALT011000012345MTLCAST001S
        DE89-3704-0044-0532-0130-00
        AD13398259790H37822J0190
        AE20 4796 6697 2510 2734 646
        AL728695896950K25K3917126196
        AT439584830401198036
        AZ25JTIE52G89183GJ56F9255400
        BA55 5474 9952 5255 9446
        BE50109248343526
        BG30UWDD9553723H13941F
        BH34SENJ469609G37L43KB
        BI78 3008 3690 0712 8430 8860 915
        BR5880314N0960434988607500200
        BY38B756694552695806756341D0
        CH49558411M8199761601
        CR77 0174 9410 9883 1818 08
        CY485921323769513GC982278K23
        CZ1229853846999434047632
        DE70953572679379807160
        DJ60 7331 3433 4229 0420 5261 111
        DK7244057950055667
        DO96978416178418557441598817
        EE958504922257118259
        EG74 6842 7742 1128 8965 1446 0207 8
        ES0543855678157124911912
        FI4339662992638829
        FK97FG454076658947
        FO33 8470 9301 3728 73
        FR29383087194210910F5290531
        GB47GNWY37510613267718
        GE08NG7407767270455785
        GI53 TMHA E2J3 9222 2050 00D
        GL1531673259151904
        GR614747384550101808DN7L464
        GT2866866J267729M720B19L9H5A
        HN67 CGMZ 1594 1713 3022 9013 4338
        HR6086895837291019013
        HU44411763917569714976318074
        IE14XUCK53718561983350
        IL94 5367 1435 2339 7865 396
        IQ62PYNP904021024880703
        IS423476057342174671327465
        IT37F64778835445NM8222A75A3
        JO60 AINK 0981 4740 2N26 5400 H952 18
        KW82DNYL4H8503K097418756G40F82
        KZ58646B3810M4H82227
        LB84602622A2660245K35H575577
        LC97 RRJO 7D4M 239G 2019 8485 9759 95F4
        LI874219853472J969061
        LT095830871668504585
        LU86675LK55016055NH9
        LV46 DQMH 4321 57C2 8941 1
        LY59175105761569353610808
        MC7083912378647899889M76L37
        MD29D1BJ3030525537235288
        ME40 6924 7501 8770 9248 67
        MK61368F926212H2H57
        MN640953918949485640
        MR7768567592343961582572867
        MT33 GNRS 5109 7228 6J44 3B16 5C8L 45B
        MU02WEYC3751522074825768996ZNI
        NI05JRIS62002603283540895312
        NL03GXCP6421859242
        NO89 1912 1018 678
        OM599740605F38570365B91
        PK61AMAS389361719C285473
        PL03600079008700544774424916
        PS73 UBDV 1682 4817 G565 0744 17H5 3
        PT43909636251287466995660
        QA95LXYM63301668302D1C8B3E2GC
        RO15GWUN700561163F14864D
        RS74 2491 4534 2533 8176 40
        RU6486494837345116G91152051507C15
        SA35748750F70482453AAC87
        SC04ZAOV68111131415030701835WOX
        SD40 9450 3803 9625 78
        SE7786729441328576388545
        SI17524512649768631
        SK1150957078949788734117
        SM57 Z762 3428 940D 3958 040L 477
        SO944875313805815020725
        ST69125937880083529483559
        SV93MEON60760914645102160663
        TL07 1604 5265 6039 5836 554
        TN3692350327432978972646
        TR09961361956654FN36335E1B
        UA69890960K4582H63975906K6F91
        VA58 7314 7148 1398 5439 56
        VG83BCSA2393135281268701
        XK135366310118432721
        YE11WLCP822370D5L913CJF80776K9
        """),
    ],
    "IP": [
        *_words("""
        192.168.1.1  8.8.8.8  203.0.113.77  255.255.255.255  2001:db8::1  2001:0db8:85a3:0000:0000:8a2e:0370:7334  fe80::1
        ::ffff:192.0.2.128  2001:db8:0:0:8:800:200c:417a  10.0.0.1  172.16.254.3  100.64.0.9  198.51.100.200  2606:4700:4700::1111
        2a00:1450:4001:82a::200e  ::1  64:ff9b::192.0.2.33  0:0:0:0:0:ffff:192.0.2.128  fd12:3456:789a:1::1  FE80::AB8
        """),
    ],
    "SSN": _words("536-90-4399  219-09-9998  001-01-0001  899-99-9999  665-12-3456  667-12-3456  772-10-0420  428-66-1234"),
    "WALLET": _words("""
        1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa  3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy  bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4
        bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0  1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2
        bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3
        """),
    "API_KEY": [
        "sk-" + A + A, "sk-proj-" + A + A, "sk-ant-" + A + "_" + A, "sk-or-v1-" + HEX, "pk-lf-" + A, "AKIA" + "IOSFODNN7EXAMPLE",
        "ASIA" + "IOSFODNN7EXAMPLE", "ghp_" + A + A[:16], "gho_" + A + A[:16], "ghs_" + A + A[:16], "github_pat_" + A + A, "glpat-" + A,
        "xoxb-" + "123456789012-" + A, "xoxp-" + "1234567890-" + A, "xapp-" + "1-A012-" + A, "AIza" + (A + A)[:35], "ya29." + A + A, "hf_" + A + A[:14],
        "sk_live_" + A, "rk_test_" + A, "whsec_" + A + A, "npm_" + (A + A)[:36], "pypi-" + "AgE" + A + A + A, "SG." + A + "ab." + A + A + "abc",
        "key-" + HEX[:32], "shpat_" + HEX[:32], "dop_v1_" + HEX, "dckr_pat_" + A, "dapi" + HEX[:32], "gsk_" + A + A, "xai-" + A + A, "pplx-" + A + A,
        "r8_" + A + A, "figd_" + A + A, "lin_api_" + A + A, "hvs." + A + A, "glsa_" + A + A + "_" + HEX[:8], "eyJ" + A + ".eyJ" + A + "." + A,
        "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIB\n-----END RSA PRIVATE " + "KEY-----",
        "-----BEGIN PRIVATE " + "KEY-----\nMIIB/+=\n-----END PRIVATE " + "KEY-----",
        "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3Bl\n-----END OPENSSH PRIVATE " + "KEY-----",
        "-----BEGIN PGP PRIVATE " + "KEY BLOCK-----\n\nlQOY=\n-----END PGP PRIVATE " + "KEY BLOCK-----",
    ],
}  # fmt: skip

NEAR_MISSES = {
    "EMAIL": [
        *_words("""
        ana@example  @ana  ana@  user@localhost  image@2x.png  logo@3x.jpg  git@github.com:owner/name.git  package@1.2.3  a @ b.com
        pay 5@3.50  @media screen  x@-bad.com  name@.com  @app.route("/x")  @Override  vue@3.4.21  react@18.2.0-rc.1  user@host:22
        @scope/package  ana@example..com  ana@b.c  ana@exam_ple.com  photo@1x.webp  a@b@c  5 @ 10.00  @types/node@20.1  k8s@v1.29
        10@20.30  ana at example dot com  ana[at]example.com  @example.com
        """),
    ],
    "PHONE and dates, versions, amounts": [
        *_words("""
        2026-11-29  29.11.2026  2026-11-29T10:14:00Z  10:14:00  12:30:45.123  1,234,567.89  1.234.567,89  10000000  123456789  0.123456789
        978-3-16-148410-0  ISBN 9783161484100  1700000000000  20261129101400  3.14159265358979  1990-2000  2019-2020-2021  100-200-300
        12-34-56  room 415  1/2/2026  50-60%  x=12345678901  $1,000,000.00  1 000 000  1 000 000 000  ticket #4155552671  order 1002003004
        ISBN 0-306-40615-2  ISBN 978-1-4028-9462-6  ISSN 0378-5955  EAN 4006381333931  1e10  6.022e23  1.6180339887  0.0000001  2^31 = 2147483648
        1600x1200  1920×1080  16:9  24/7  9/11  3-2-1  4-4-2  5 of 10  pages 100-200  §§ 12-34  1.5 to 2.5  -40 to 85  0-100  1-800
        1200 to 1300  7.30 pm  10.5281/zenodo.1234567  10.1000/182  arXiv:2303.08896  RFC 9110  2,147,483,647  99.999999
        555-1234  415-155-2671  +0 123 456 789  +1 23 45  1234-5678  000-000-0000  115.555.2671
        """),
    ],
    "CARD": [
        *_words("""
        4111111111111112  4111 1111 1111 1112  1234 5678 9012 3456  1111 1111 1111 1111  0000000000000000  1234567890123456  9999999999999995
        5555555555554445  5500 0000 0000 0005  378282246310006  3782 822463 10006  6011111111111118  3530111333300001  30569309025905
        4222222222223  2223003122003223  7111111111111116  8888888888888888  41111111111111  411111111111111111111  0x4111111111111111
        4111.1111.1111.1111  4111_1111_1111_1111  invoice-4111111111111111  4111111111111111.5  5018440575584592  6235578063151732
        """),
    ],
    "IBAN": [
        *_words("""
        DE89370400440532013001  GB29NWBK60161331926818  ZZ89370400440532013000  DE8937040044053201300  XX12  DE89  AB12 CD34 EF56
        FR1420041010050500013M02607  CH9300762011623852958  NL91ABNA0417164301  AT611904300234573202  BE68539007547035  A1B2C3D4E5F6
        ES9121000418450200051333  IT60X0542811101000000123457  SE4550000000058398257467  NO9386011117948  GB82WEST1234569876543
        DE89 3704 0044 0532 0130 01  MT84MALT011000012345MTLCAST001T  GB291234567890123456AB  DE00370400440532013000
        XDE89370400440532013000  DE893704004405320130001  US12 3456 7890 1234 5678  SKU DE12 3456
        """),
    ],
    "IP": [
        *_words("""
        1.2.3  256.1.1.1  1.2.3.4.5  version 1.2.3.4  v1.2.3.4  Chrome/120.0.6099.130  01.02.03.04  0.0.0.0  std::vector  Abc::Def  a:b:c
        12:34  ::  1:2:3:4:5:6:7:8:9  x[::2]  x[1::2]  a[10::20]  build 10.0.19045.3803  §1.2.3.4.5  1.1.1.256  firmware 2.0.0.1  12:30:45:00
        std::abc::f  10.0.0  10.0.0.0.1  1.2.3.4-beta  v=1.2.3.4  2001:db8:::1  fe80:::1  12345::1  g::1  ::ffff  namespace1::b2  0.1.2.3
        00:1A:2B:3C:4D:5E  aa:bb:cc:dd  1:23:45  3:16-17  08:00::
        """),
    ],
    "SSN": _words("""
        000-12-3456  666-12-3456  900-12-3456  536-00-4399  536-90-0000  078-05-1120  219-09-9999  123-45-6789  536904399  536 90 4399
        536-90-43990  1536-90-4399  12-345-6789  536-904-399  x536-90-4399  536-90-4399-1  2026-11-2912  a/536-90-4399
        """),
    "WALLET": _words("""
        1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb  3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLz  bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5
        bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj1  1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA  bc1  bc1q
        11111111111111111111111111111111  3MismQ  QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG
        """),
    "API_KEY": [
        *_words("""
        sk-learn  sk-this-is-only-a-long-hyphenated-name-of-things  AKIA  hf_hub  eyJhbGciOi  ghp_short  bearer of bad news that nobody wanted
        3f9a1c2b-77aa-4b1e-9c1d-0123456789ab  0x00ff00ff00ff  e3b0c44298fc1c149afbf4c8996fb924  ask-me-anything-about-the-weather-2026
        task-1234567890123456789012345  npm_config_registry  hf_transfer  glpat-x  xoxb-none  AIzaShort  pypi-server  SG.  key-value
        desk-abc123abc123abc123abc123abc123  AKIAlowercaseisnotakey  whsec_  gsk_  xai-org  r8_short  the bearer Sir Bedivere of Orkney
        -----BEGIN CERTIFICATE-----  -----BEGIN PUBLIC KEY-----  dapi  figd_file  lin_api_docs  hvs.token  dop_v1_
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  da39a3ee5e6b4b0d3255bfef95601890afd80709  550e8400-e29b-41d4-a716-446655440000
        """),
    ],
}  # fmt: skip
